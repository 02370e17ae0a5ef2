"""A workbench for stream protocols: specimens that run, and instruments that run, break, watch and measure them."""
