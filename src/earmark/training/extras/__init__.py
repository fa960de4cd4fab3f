"""Extend the letter's method; a recipe that asks for no extension runs none of this code.

augmentation      random changes of segments, and windows of random length
distillation      another network's scores and last hidden layer as targets, and a loss that weighs all tags alike
joint             training of local CNNs and classifier together
parts             trainings put together with the extensions that a recipe asks for
"""
