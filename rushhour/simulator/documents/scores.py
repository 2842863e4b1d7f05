"""Documents about scores: of a run's report and of a backtest."""

from rushhour.simulator.documents import objects
from rushhour.simulator.evaluation import scoring


def scores_document(evaluation: scoring.Evaluation) -> objects.Scores:
    """Return the scores of an evaluation; NaN becomes null in JSON."""
    return objects.Scores(
        first_ts=evaluation.first_hour,
        last_ts=evaluation.last_hour,
        zones=evaluation.zones,
        pairs=evaluation.pairs,
        served=evaluation.served,
        by_model=[_score(name, score) for name, score in evaluation.by_model.items()],
        by_borough=[_score(each.borough, each.score) for each in evaluation.by_borough],
        by_band=[
            objects.Band(
                band=each.band,
                pairs=each.pairs,
                relative_bias=each.bias,
                coverage=each.coverage,
                width=each.width,
            )
            for each in evaluation.by_band
        ],
        by_horizon=[
            objects.HorizonScore(
                horizon=horizon,
                pairs=score.pairs,
                mae=score.mae,
                rmse=score.rmse,
                wape=score.wape,
                bias=score.bias,
                deviance=score.deviance,
                skill=score.skill,
                coverage=score.coverage,
                wis=score.wis,
            )
            for horizon, score in evaluation.by_horizon.items()
        ],
    )


def _score(name: str, score: scoring.Score) -> objects.Score:
    return objects.Score(
        name=name,
        pairs=score.pairs,
        mae=score.mae,
        rmse=score.rmse,
        wape=score.wape,
        bias=score.bias,
        deviance=score.deviance,
        skill=score.skill,
        coverage=score.coverage,
        wis=score.wis,
    )
