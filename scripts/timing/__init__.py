"""Time and memory.

timer.py      calls that take turns, ratios, peak memory
forms.py      a layer as a module of one map, alone in onnxruntime, and in its plain form
layers.py     each layer alone; against the fastest public form; EMA's forms
models.py     each file of cfg/ against the same model without attention; what training costs
predictor.py  folders of pictures through an ONNX file
startup.py    what the plug-in costs where it is not used
visdrone.py   the official evaluation and the preparation
"""
