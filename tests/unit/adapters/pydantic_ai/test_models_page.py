"""docs/models.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from shared.adapters.pydantic_ai.outputs import MOST_ANSWERS
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.domain.definition_faults import inspect_definition
from shared.domain.definitions import Limits
from shared.domain.model_catalog import CATALOG, PRICES_AS_OF, ModelFacts
from shared.domain.model_specs import PROVIDER_ALIASES, PROVIDERS, ModelSpec
from shared.settings import load_settings

PAGE = (Path(__file__).parents[4] / "docs" / "models.md").read_text(encoding="utf-8")
EXAMPLES: list[str] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def table(first: str) -> list[list[str]]:
    """The cells of the table whose head begins with `first`."""
    lines = iter(PAGE.splitlines())
    next(line for line in lines if line.startswith(f"| {first} |"))
    next(lines)
    rows: list[list[str]] = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def shown(facts: ModelFacts) -> list[str]:
    providers = [other.provider for other in CATALOG.values() if other.model == facts.model]
    prices = [
        f"{price.input:g}, {price.output:g}"
        + (f" above {price.input_tokens_above:,}" if price.input_tokens_above else "")
        for price in facts.prices
    ]
    taken = "-" if facts.context_tokens is None else f"{facts.context_tokens:,}"
    return [f"`{facts.model}`", ", ".join(f"`{name}`" for name in providers), taken, " / ".join(prices)]


def test_every_model_is_listed_as_the_catalog_has_it() -> None:
    assert table("model") == list({facts.model: shown(facts) for facts in CATALOG.values()}.values())
    assert f"as of {PRICES_AS_OF}" in PAGE


def test_every_provider_is_listed_with_the_variables_that_it_needs() -> None:
    rows = {row[0].strip("`"): row[2] for row in table("provider")}
    assert {*rows, "default"} == set(PROVIDERS)
    for alias in PROVIDER_ALIASES:
        assert f"`{alias}`" in PAGE
    named = re.findall(r"`([A-Z_]+)`", " ".join(rows.values()))
    environ = dict.fromkeys(named, "set")
    assert ProviderSettings.from_environ(environ) == ProviderSettings(
        google_api_key="set", anthropic_api_key="set", vertex_location="set", claude_region="set"
    )
    defaults = re.findall(r"`[A-Z_]+` \(([a-z0-9-]+)\)", " ".join(rows.values()))
    assert defaults == [ProviderSettings().vertex_location, ProviderSettings().claude_region]


def test_every_variable_of_the_deployment_means_what_the_page_says() -> None:
    rows = {row[0].strip("`"): row for row in table("variable")}
    assert set(rows) == {"FIRELOOM_MODELS", "FIRELOOM_DEFAULT_MODEL", "FIRELOOM_PROVIDERS"}
    production = load_settings({"FIRELOOM_PROJECT": "demo-x"})
    local = load_settings({"FIRELOOM_PROJECT": "demo-x", "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"})
    assert rows["FIRELOOM_MODELS"][2] == f"`{','.join(production.models)}`"
    assert (
        rows["FIRELOOM_DEFAULT_MODEL"][2] == f"`{production.default_model}`; `{local.default_model}` beside emulators"
    )


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_definition(example: str) -> None:
    definition, faults = inspect_definition(yaml.safe_load(example))
    assert faults == ()
    assert definition is not None
    for spec in definition.model.chain:
        assert spec.full_name in CATALOG


def test_the_examples_show_every_limit_and_the_page_every_bound() -> None:
    limits = next(found["limits"] for text in EXAMPLES if "limits" in (found := yaml.safe_load(text)))
    assert set(limits) == set(Limits.model_fields)
    assert f"up to {MOST_ANSWERS}\n  answers" in PAGE
    (most,) = (part.max_length for part in ModelSpec.model_fields["fallbacks"].metadata if hasattr(part, "max_length"))
    assert f"at most {most} `fallbacks`" in PAGE
