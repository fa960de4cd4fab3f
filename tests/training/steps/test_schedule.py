import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from earmark.training.recipe.sections import OneCycleSchedule, StagedSchedule
from earmark.training.steps.schedule import plan_of


def test_a_stage_ends_when_the_loss_stalls_and_restarts_from_the_best() -> None:
    plan = plan_of(StagedSchedule(learning_rates=(0.1, 0.01), patience_epochs=2, decay_per_update=0.0))
    rates, restarts = [], []
    for improved in (True, False, True, False, False, False, True, False, False):
        rates.append(plan.learning_rate(len(rates) * 5, 5))
        restarts.append(plan.epoch_ended(improved))
    assert rates == [0.1] * 5 + [0.01] * 4
    assert restarts == [False] * 4 + [True] + [False] * 3 + [True]
    assert plan.finished


def test_the_decay_counts_the_updates_of_its_stage() -> None:
    plan = plan_of(StagedSchedule(learning_rates=(1.0, 0.5), patience_epochs=1, decay_per_update=0.1))
    assert plan.learning_rate(0, 10) == 1.0
    assert plan.learning_rate(10, 10) == pytest.approx(0.5)
    plan.epoch_ended(False)
    assert plan.learning_rate(10, 10) == 0.5


def test_one_cycle_rises_to_its_peak_and_falls_to_nothing() -> None:
    plan = plan_of(OneCycleSchedule(kind="one-cycle", peak_learning_rate=1.0, epochs=4, warm_up_share=0.25))
    rates = [plan.learning_rate(update, 100) for update in range(400)]
    assert 0.03 < rates[0] < 0.05
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    assert rates.index(max(rates)) in (99, 100)
    assert rates[-1] < 1e-4
    assert [plan.epoch_ended(False) for _ in range(4)] == [False] * 4
    assert plan.finished


@pytest.mark.parametrize("schedule", [StagedSchedule(), OneCycleSchedule(kind="one-cycle")])
def test_a_plan_goes_on_from_its_state(schedule: StagedSchedule | OneCycleSchedule) -> None:
    plan, other = plan_of(schedule), plan_of(schedule)
    for improved in (True, False, False, False, True):
        plan.epoch_ended(improved)
    other.restore(plan.state())
    assert other.state() == plan.state()
    assert other.learning_rate(77, 11) == plan.learning_rate(77, 11)


def test_biases_and_norms_are_not_decayed() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimiser = plan_of(OneCycleSchedule(kind="one-cycle", weight_decay=0.1)).optimiser(network.parameters())
    decays = {group["weight_decay"]: [p.ndim for p in group["params"]] for group in optimiser.param_groups}
    assert decays == {0.1: [2], 0.0: [1, 1, 1]}
