"""Model YAMLs as data: rows are put in and taken out by role, checked, and aligned for the transfer of weights."""
