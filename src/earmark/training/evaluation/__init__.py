"""Evaluation of a recipe: how good every method is, against what, and by which commit.

metrics               ROC-AUC, PR-AUC, accuracy
bootstrap             whether a difference may be luck
agreement             with a teacher whose scores were the targets
baselines, peers      what simple statistics can tell, and what other systems' vectors can
evaluate, report      every method over splits and seeds, and its table
commit, provenance    which code, which machine, which versions
"""
