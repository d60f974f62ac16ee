import pytest

from scripts.local.openapi import Document, merge_documents


def document(path: str, schema: str, kind: str) -> Document:
    answer = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {
        "paths": {path: {"get": {"responses": {"200": {"content": {"application/json": answer}}}}}, "/health": {}},
        "components": {"schemas": {schema: {"type": kind}}},
    }


def test_each_path_comes_from_the_function_that_answers_it() -> None:
    merged = merge_documents(
        {"agents": document("/agents", "Agent", "object"), "runs": document("/agents", "X", "null")}
    )

    assert {path: item["get"]["tags"] for path, item in merged["paths"].items()} == {"/agents": ["agents"]}


@pytest.mark.parametrize("kind", ["object", "string"])
def test_components_of_one_name_are_shared_if_equal_and_told_apart_if_not(kind: str) -> None:
    merged = merge_documents({"agents": document("/agents", "Page", "object"), "runs": document("/runs", "Page", kind)})

    answer = merged["paths"]["/runs"]["get"]["responses"]["200"]["content"]["application/json"]
    name = answer["schema"]["$ref"].rsplit("/", 1)[1]
    assert name == ("Page" if kind == "object" else "runs_Page")
    assert merged["components"]["schemas"][name] == {"type": kind}
    assert merged["components"]["schemas"]["Page"] == {"type": "object"}
