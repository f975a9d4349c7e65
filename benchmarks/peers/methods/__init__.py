"""One file a tool: ``shrink(case, budget) -> Shrunk``, by the recipe that its authors recommend."""
