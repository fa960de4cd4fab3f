"""musicnn as its README uses it, in its own environment: musicnn_top_tags.py [FILE ...].

`top_tags` loads the model for every file and gives it a window at a time.
"""

import sys

from answering import one_thread, serve

one_thread()

from musicnn.tagger import top_tags  # noqa: E402

if __name__ == "__main__":
    serve(lambda path: top_tags(path, model="MTT_musicnn", topN=5, print_tags=False), sys.argv[1:])
