"""A head for your own words, on vectors that a model has heard already.

labels        a CSV of paths and words
examples      vectors with the words of each, and whose they are
columns       which scales and levels a head may read
reading       those columns, and what the base's classifier makes of them
folds         artists divided so that every word is in every part
regression    logistic regression on some columns
selection     which columns, how much regularisation, and how well it will do
quality       the area under the ROC curve with an interval
teach         all of the above: examples in, a bundle and a report out
next_tracks   the tracks whose labels would help most
"""
