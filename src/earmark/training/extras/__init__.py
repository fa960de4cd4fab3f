"""Extras: what is not in the letter; a recipe that asks for none of it passes through none of it.

augmentation      segments varied anew in every epoch
distillation      another tagger's scores and last hidden layer as targets, and a loss in which every tag counts alike
windows           windows of random length for the global classifier
joint             local CNNs and classifier trained together
parts             trainings put together with the extras that a recipe asks for
"""
