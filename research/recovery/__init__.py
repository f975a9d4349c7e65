"""How far the accuracy of a compressed ResNet-20 can be recovered; see ``README.md``."""
