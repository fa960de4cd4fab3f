import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy
from tagging.builders import log_mel_extractor, make_bundle, make_bundle_of, raw_extractor, write_random_bundle

from earmark.errors import BundleError
from earmark.tagging.bundle.bundle import Bundle, read_bundle, seal, write_bundle
from earmark.tagging.bundle.tensors import expected_shapes, extractor_hash, head_hash


@pytest.fixture(scope="module")
def bundle():
    return make_bundle(calibrated=True)


@pytest.fixture
def folder(bundle, tmp_path):
    write_bundle(bundle, tmp_path / "model")
    return tmp_path / "model"


def change_card(folder, change):
    file = folder / "card.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    change(data)
    file.write_text(json.dumps(data), encoding="utf-8")


def change_weights(folder, change):
    file = folder / "weights.safetensors"
    tensors = safetensors.numpy.load_file(file)
    change(tensors)
    safetensors.numpy.save_file(tensors, file)


def test_what_is_read_is_what_was_written(bundle, folder):
    read = read_bundle(folder)
    assert read.card == bundle.card
    assert read.weights.keys() == bundle.weights.keys()
    for name, weight in bundle.weights.items():
        assert read.weights[name].dtype == np.float32
        np.testing.assert_array_equal(read.weights[name], weight)
    assert sorted(file.name for file in folder.iterdir()) == ["card.json", "weights.safetensors"]


def test_the_raw_family_and_mixed_bundles_round_trip(tmp_path):
    labels = ["a", "b"]
    bundle = make_bundle_of([raw_extractor(labels), log_mel_extractor(27, labels, 16)], labels, activation="softmax")
    write_bundle(bundle, tmp_path / "model")
    assert read_bundle(tmp_path / "model").card == bundle.card


def test_writing_again_replaces(bundle, folder):
    other = make_bundle(seed=1)
    write_bundle(other, folder)
    assert read_bundle(folder).card.head.hash == other.card.head.hash != bundle.card.head.hash


def test_rounded_weights_are_stored_in_half_the_size_and_hash_the_same(bundle, tmp_path):
    rounded = {name: weight.astype(np.float16).astype(np.float32) for name, weight in bundle.weights.items()}
    halved = seal(bundle.card, rounded)
    write_bundle(halved, tmp_path / "half")
    stored = safetensors.numpy.load_file(tmp_path / "half" / "weights.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {np.dtype(np.float16)}
    assert read_bundle(tmp_path / "half").card == halved.card
    change_weights(tmp_path / "half", lambda t: t.update({k: v.astype(np.float32) for k, v in t.items()}))
    assert read_bundle(tmp_path / "half").card == halved.card


def test_a_weight_beyond_float16_is_stored_whole(bundle, tmp_path):
    weights = {**bundle.weights, "vector.mean": np.full_like(bundle.weights["vector.mean"], 1e9)}
    write_bundle(seal(bundle.card, weights), tmp_path / "model")
    assert read_bundle(tmp_path / "model").weights["vector.mean"][0] == np.float32(1e9)


def test_the_letters_parameters():
    card = make_bundle(scales=(18,), tags=50, channels_divisor=1).card
    shapes = {name: shape for name, shape in expected_shapes(card).items() if name.startswith("extractor.")}
    batch_norms = 2 * (128 + 128 + 256 + 256)  # a scale and a shift a channel, folded into weight and bias here
    assert sum(np.prod(shape) for shape in shapes.values()) + batch_norms == 244_530


def test_a_new_head_never_means_new_extractors(bundle):
    weights = {**bundle.weights, "head.layer.1.bias": bundle.weights["head.layer.1.bias"] + 1}
    other = seal(bundle.card, weights)
    assert other.card.head.hash != bundle.card.head.hash
    assert other.card.extractors == bundle.card.extractors


def test_a_head_for_other_tags_keeps_the_extractors(bundle):
    labels = ["my own", "words"]
    taught = make_bundle_of(bundle.card.extractors, labels)
    weights = {name: weight for name, weight in taught.weights.items() if not name.startswith("extractor.")}
    weights.update({name: weight for name, weight in bundle.weights.items() if name.startswith("extractor.")})
    sealed = seal(taught.card, weights)
    assert [e.hash for e in sealed.card.extractors] == [e.hash for e in bundle.card.extractors]


@pytest.mark.parametrize("change", [{"segment_hop": 9}, {"input_mean": 0.1}, {"segment_statistic": "mean"}])
def test_the_extractors_hash_covers_its_description(bundle, change):
    extractor = bundle.card.extractors[0]
    other = dataclasses.replace(extractor, **change)
    assert extractor_hash(other, bundle.weights) != extractor_hash(extractor, bundle.weights)
    assert extractor_hash(dataclasses.replace(extractor, hash="x"), bundle.weights) == extractor.hash


def test_the_heads_hash_covers_tags_and_activation_but_not_calibration(bundle):
    card = bundle.card
    assert head_hash(dataclasses.replace(card, calibration=()), bundle.weights) == card.head.hash
    assert head_hash(dataclasses.replace(card, activation="softmax"), bundle.weights) != card.head.hash
    assert head_hash(dataclasses.replace(card, tags=card.tags[::-1]), bundle.weights) != card.head.hash


def test_hashes_are_stable():
    """These stand in card.json files that exist: a change here makes every model on disk unreadable."""
    bundle = make_bundle(scales=(18,), tags=2)
    weights = {name: np.zeros_like(weight) for name, weight in bundle.weights.items()}
    assert extractor_hash(bundle.card.extractors[0], weights)[:16] == "6ba632b4117cf8ed"
    assert head_hash(bundle.card, weights)[:16] == "fc43a8b5eca4b57a"


@pytest.mark.parametrize("file", ["card.json", "weights.safetensors"])
def test_an_absent_file_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(BundleError, match=f"{file}: found no such file, expected a model"):
        read_bundle(folder)


def test_an_absent_folder_is_named(tmp_path):
    with pytest.raises(BundleError, match=r"nowhere.*found no such folder.*earmark train"):
        read_bundle(tmp_path / "nowhere")


def test_a_missing_tensor(folder):
    change_weights(folder, lambda tensors: tensors.pop("head.layer.2.bias"))
    with pytest.raises(BundleError, match=r"weights.safetensors: 1 missing, expected head.layer.2.bias"):
        read_bundle(folder)


def test_a_tensor_too_many(folder):
    change_weights(folder, lambda tensors: tensors.update(extra=np.zeros(1, dtype=np.float32)))
    with pytest.raises(BundleError, match=r"weights.safetensors: found extra, which the card does not name"):
        read_bundle(folder)


def test_a_wrong_shape(folder):
    change_weights(folder, lambda tensors: tensors.update({"head.mean": np.zeros(3, dtype=np.float32)}))
    with pytest.raises(BundleError, match=r"head.mean: found shape \(3,\), expected \(112,\)"):
        read_bundle(folder)


@pytest.mark.parametrize(("dtype", "name"), [(np.float64, "F64"), (np.int32, "I32"), (np.int8, "I8")])
def test_a_wrong_type(folder, dtype, name):
    change_weights(folder, lambda tensors: tensors.update({"head.mean": np.zeros(112, dtype=dtype)}))
    with pytest.raises(BundleError, match=f"head.mean: found the type {name}, expected F16 or F32"):
        read_bundle(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(folder, value):
    def change(tensors):
        tensors["head.mean"] = np.full(112, value, dtype=np.float32)

    change_weights(folder, change)
    with pytest.raises(BundleError, match=r"head.mean: found NaN or infinity"):
        read_bundle(folder)


def test_a_deviation_of_zero(bundle):
    weights = {**bundle.weights, "head.deviation": np.zeros(112, dtype=np.float32)}
    with pytest.raises(BundleError, match=r"head.deviation: found zero or less"):
        seal(bundle.card, weights)


def test_weights_in_memory_of_another_type_are_refused(bundle):
    weights = {**bundle.weights, "head.mean": np.zeros(112)}
    with pytest.raises(BundleError, match=r"head.mean: found float64, expected float32"):
        seal(bundle.card, weights)


@pytest.mark.parametrize("name", ["extractor.27.convolution.2.bias", "extractor.54.output.weight", "vector.mean"])
def test_one_changed_number_is_noticed(folder, name):
    def change(tensors):
        tensors[name] = tensors[name] * np.float32(1.5)

    change_weights(folder, change)
    who = f"extractor '{name.split('.')[1]}'" if name.startswith("extractor") else "the head"
    with pytest.raises(BundleError, match=f"card.json: found the hash .* for {who}, expected"):
        read_bundle(folder)


def test_a_changed_card_is_noticed(folder):
    change_card(folder, lambda data: data["extractors"][1].update(input_mean=0.5))
    with pytest.raises(BundleError, match=r"found the hash .* for extractor '27'"):
        read_bundle(folder)
    change_card(folder, lambda data: data["extractors"][1].update(input_mean=0.226))
    change_card(folder, lambda data: data["tags"].reverse())
    change_card(folder, lambda data: data["calibration"].clear())
    with pytest.raises(BundleError, match=r"found the hash .* for the head"):
        read_bundle(folder)


def test_a_wrong_layout_is_noticed(folder):
    change_card(folder, lambda data: data["layout"].reverse())
    with pytest.raises(BundleError, match=r"card.json: layout: this is not the layout"):
        read_bundle(folder)


@pytest.mark.parametrize("kept", [0, 7, 100, 5000])
def test_a_cut_weights_file(folder, kept):
    file = folder / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(BundleError, match=r"weights.safetensors: found a file that cannot be read"):
        read_bundle(folder)


def test_a_card_that_is_not_text(folder):
    (folder / "card.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(BundleError, match=r"card.json: found .*, expected UTF-8 text"):
        read_bundle(folder)


def test_nothing_wrong_is_written(bundle, tmp_path):
    unsealed = dataclasses.replace(bundle.card, head=dataclasses.replace(bundle.card.head, hash=""))
    with pytest.raises(BundleError, match=r"not written.*found the hash \(none\) for the head"):
        write_bundle(Bundle(unsealed, bundle.weights), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_builder_for_commands(tmp_path):
    assert read_bundle(write_random_bundle(tmp_path / "model", tags=3)).card.labels == ("tag 1", "tag 2", "tag 3")
