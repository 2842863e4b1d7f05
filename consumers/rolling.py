"""How good the forecasts of the last week were, by the names that the figures have in Redis."""

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from consumers.pending import Forecast
from consumers.rolling_coverage import COVERAGE, RollingCoverage, is_covered
from consumers.rolling_errors import WINDOWS, RollingErrors, named_scores, score_field
from rushhour.scoring.bands import BANDS
from rushhour.storage.columns import ZoneMask, to_values


@dataclass(frozen=True, slots=True)
class Rolling:
    """Errors of every model, and coverage of the served one, over the last 24 h and 168 h."""

    errors: RollingErrors = field(default_factory=RollingErrors)
    coverage: RollingCoverage = field(default_factory=RollingCoverage)

    def learn(
        self,
        hour_ts: int,
        rides: npt.NDArray[Any],
        forecast: Forecast,
        zones: ZoneMask | slice = slice(None),
    ) -> None:
        """Take in one closed hour of the given zones, of all if none.

        The hours of a zone must come in order, without a gap.
        """
        self.errors.learn(hour_ts, rides, forecast.by_model, zones)
        covered = is_covered(rides, forecast.lower, forecast.upper)
        self.coverage.learn(hour_ts, covered, forecast.served, zones)

    def of_zones(self, served_model: str, last_hour: int) -> dict[str, list[Any]]:
        """Return the figures of the served model: field -> one value a zone."""
        out: dict[str, list[Any]] = {}
        for window in WINDOWS:
            out |= named_scores(self.errors.zone_scores(served_model, window, last_hour), window)
            shares = self.coverage.zone_shares(window, last_hour)
            out[score_field(COVERAGE, window)] = to_values(shares)
        return out

    def of_city(self, model: str, last_hour: int, *, served: bool) -> dict[str, Any]:
        """Return the figures of one model over all zones; only the served one has a coverage."""
        out: dict[str, list[Any]] = {}
        for window in WINDOWS:
            out |= named_scores(self.errors.city_scores(model, window, last_hour), window)
            if served:
                share = self.coverage.city_share(window, last_hour)
                out[score_field(COVERAGE, window)] = to_values(share)
        return {field: values[0] for field, values in out.items()}

    def of_bands(self) -> dict[str, Any]:
        """Return the coverage of each demand band over the last 168 h."""
        return dict(zip(BANDS, to_values(self.coverage.band_shares()), strict=True))
