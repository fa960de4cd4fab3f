"""What a model costs: python benchmarks/model_cost.py [MODEL ...]; without a name, every model that comes with earmark.

Parameters as the bundle holds them (batch norms are folded into the convolutions), and the multiply-adds of its local
networks a second of audio, with the classifier's, once a track, beside them. `benchmarks/peers/musicnn_cost.py` prints
the same of musicnn.
"""

import sys

import earmark
from earmark.training.networks.scales import network_cost


def main(*names: str) -> None:
    """Print a line a model."""
    for name in names or earmark.models():
        bundle = earmark.load(name).bundle
        parameters = dict.fromkeys(("extractor", "head"), 0)
        for weight, values in bundle.weights.items():
            part = weight.split(".")[0]
            if part in parameters and weight.endswith((".weight", ".bias")):
                parameters[part] += values.size
        a_second = sum(
            network_cost(extractor).multiply_adds / (extractor.segment_hop * extractor.row_seconds)
            for extractor in bundle.card.extractors
        )
        head = sum(values.size for weight, values in bundle.weights.items() if weight.startswith("head.layer"))
        print(
            f"{name}: {parameters['extractor']:,} parameters in its local networks, {parameters['head']:,} in its "
            f"classifier; {a_second / 1e6:.1f} million multiply-adds a second of audio, "
            f"{head / 1e6:.1f} million a track"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
