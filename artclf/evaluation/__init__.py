"""From predictions to figures one can trust: plain arrays and tables, no torch, no Lightning."""
