"""Models behind `ToolCaller`: engines on this machine, endpoints elsewhere, and floors to compare with."""
