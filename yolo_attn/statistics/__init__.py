"""Is a difference between detectors more than chance, and which kinds of errors make it?

outcomes      what became of each detection: by the official VisDrone protocol, by COCO's, and by object size
weighted_ap   average precision of a set in which pictures count any number of times
bootstrap     scores of many resampled sets of pictures, the same sets for every run
intervals     intervals and p values of paired differences over seeds and pictures
corrections   p values of several comparisons at once
error_kinds   class, localisation, both, duplicate, background, missed, and the AP that each costs
picture_errors  misses and false alarms of each picture
"""
