"""What a sound is like: its brightness and its attacks, however it is cut into blocks."""

import numpy as np
import pytest

from earmark.web.character import SoundCharacter

RATE_HZ = 22_050


def character(samples, blocks=1):
    found = SoundCharacter(RATE_HZ)
    for block in np.array_split(samples.astype(np.float32), blocks):
        found.add(block)
    return found.to_dict()


def tone(hertz, seconds=2.0):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


@pytest.mark.parametrize("hertz", [200.0, 1_000.0, 4_000.0])
def test_the_brightness_of_a_tone_is_its_frequency(hertz):
    brightness = character(tone(hertz))["brightness_hz"]
    assert brightness[1:-1] == pytest.approx([hertz] * (len(brightness) - 2), rel=0.1)


def test_struck_tones_have_attacks_and_held_ones_have_none():
    held = tone(440.0)
    struck = held * np.exp(-12.0 * (np.arange(len(held)) % (RATE_HZ // 2)) / RATE_HZ)
    assert max(character(held)["attack_decibels"][1:-1]) < 1
    assert min(character(struck)["attack_decibels"][1:-1]) > 15


def test_silence_has_no_character():
    found = character(np.zeros(RATE_HZ))
    assert set(found["brightness_hz"]) == set(found["attack_decibels"]) == {None}


@pytest.mark.parametrize("blocks", [2, 7, 100])
def test_blocks_do_not_matter(blocks):
    samples = np.random.default_rng(0).normal(0, 0.1, 3 * RATE_HZ)
    assert character(samples, blocks) == character(samples)


def test_a_sound_shorter_than_a_frame_has_no_hop():
    assert character(tone(440.0, 0.01))["brightness_hz"] == []
