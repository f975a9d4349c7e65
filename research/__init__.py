"""Experiments whose outcome may one day enter the library; each folder has a README."""
