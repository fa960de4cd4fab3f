"""Teaching a model new words: a classifier fitted on vectors that a model has computed already.

examples      labels from a CSV file, and the vectors and words of each track
regression    logistic regression on a choice of scales and levels
selection     cross-validation: which columns, how much regularisation, and how well a head will do
quality       the area under the ROC curve with its interval
teach         a bundle and a report from examples
next_tracks   the tracks whose labels would help most
"""
