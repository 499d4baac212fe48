"""Model YAMLs as text and as rows. Pure: knows the names of the attention layers and nothing of Ultralytics.

document.py  text -> data and positions; refuses what is no model YAML
rows.py      the rows, each with its place in the text
places.py    rows by role: backbone-end, sppf, stages, neck
edit.py      insert layers, strip them
inner_layers.py  layers inside a block, as a row names them: `C3+EMA`
inside.py    put layers inside blocks, take them out
scale.py     the scale in a file's name, and the default scale of a file without one
control.py   a 1x1 convolution of equal size in place of each attention layer
names.py     suggestions for misspelt layer names
"""
