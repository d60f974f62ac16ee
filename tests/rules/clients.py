"""Callers of Firestore's REST API, each with a real token of the Authentication emulator or with none."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx

from scripts.local.emulators import EmulatorPorts
from tests.rules.table import Change, Read, Who

_SECONDS = 60
DENIED, NOTHING, SEEN, WRITTEN = "denied", "nothing", "seen", "written"


class Clients:
    """One client for each caller, all at one project."""

    def __init__(self, emulators: EmulatorPorts, project: str) -> None:
        self._auth = f"http://{emulators.environment['FIREBASE_AUTH_EMULATOR_HOST']}/identitytoolkit.googleapis.com/v1"
        self._firestore = f"http://{emulators.environment['FIRESTORE_EMULATOR_HOST']}"
        self._documents = f"/v1/projects/{project}/databases/(default)/documents"
        self._project = project
        self._http = httpx.Client(base_url=self._firestore, trust_env=False, timeout=_SECONDS)
        self.uids: dict[str, str] = {}
        self._tokens: dict[Who, str] = {}

    def close(self) -> None:
        self._http.close()

    def set_rules(self, text: str) -> httpx.Response:
        rules = {"rules": {"files": [{"name": "firestore.rules", "content": text}]}}
        return self._http.put(f"/emulator/v1/projects/{self._project}:securityRules", json=rules)

    def sign_up_all(self) -> None:
        """Make an account for every caller that carries a token."""
        for who in Who:
            self.uids[who] = who
            if who is not Who.NOBODY:
                self.uids[who], self._tokens[who] = self._sign_up(who)

    def read(self, who: Who, path: str, read: Read) -> str:
        """Whether the caller is denied, sees nothing, or sees the document at `path`."""
        if read is Read.GET:
            answer = self._http.get(f"{self._documents}/{path}", headers=self._headers(who))
            return _verdict(answer, SEEN)
        parent, _, collection = path.rpartition("/")[0].rpartition("/")
        answer = self.run_query(who, parent, {"from": [{"collectionId": collection}], **self._where(who, read)})
        found = [item["document"]["name"] for item in answer.json() if "document" in item] if answer.is_success else []
        return _verdict(answer, SEEN if any(name.endswith(f"/{path}") for name in found) else NOTHING)

    def run_query(self, who: Who, parent: str, query: Mapping[str, Any]) -> httpx.Response:
        """Run a query below the document `parent`, or below the root where that is empty."""
        place = f"{self._documents}/{parent}" if parent else self._documents
        return self._http.post(f"{place}:runQuery", json={"structuredQuery": query}, headers=self._headers(who))

    def change(self, who: Who, path: str, change: Change) -> str:
        """Whether the caller is denied, or has written."""
        fields = {"fields": {"owner_uid": {"stringValue": self.uids[who]}}}
        place = f"{self._documents}/{path}"
        if change is Change.DELETE:
            return _verdict(self._http.delete(place, headers=self._headers(who)), WRITTEN)
        target = place if change is Change.UPDATE else f"{place}_new"
        return _verdict(self._http.patch(target, json=fields, headers=self._headers(who)), WRITTEN)

    def _headers(self, who: Who) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens[who]}"} if who in self._tokens else {}

    def _where(self, who: Who, read: Read) -> dict[str, Any]:
        me = {"stringValue": self.uids[who]}
        conditions = {
            Read.LIST_OWN: [("owner_uid", "EQUAL", me)],
            Read.LIST_SHARED: [("readers", "ARRAY_CONTAINS", me)],
            Read.LIST_ASKED: [("asked", "ARRAY_CONTAINS", me)],
            Read.LIST_SYSTEM: [
                ("scope", "EQUAL", {"stringValue": "system"}),
                ("is_active", "EQUAL", {"booleanValue": True}),
            ],
        }.get(read, [])
        filters = [
            {"fieldFilter": {"field": {"fieldPath": name}, "op": operator, "value": value}}
            for name, operator, value in conditions
        ]
        return {"where": {"compositeFilter": {"op": "AND", "filters": filters}}} if filters else {}

    def _sign_up(self, who: Who) -> tuple[str, str]:
        email = f"{who}-{secrets.token_hex(6)}@example.com"
        person = {"email": email, "password": "correct horse", "returnSecureToken": True}
        made = httpx.post(f"{self._auth}/accounts:signUp?key=local", json=person, timeout=_SECONDS, trust_env=False)
        made.raise_for_status()
        uid: str = made.json()["localId"]
        if who is Who.ADMIN:
            claims = {"localId": uid, "customAttributes": '{"role": "admin"}'}
            owner = {"Authorization": "Bearer owner"}
            url = f"{self._auth}/projects/demo-fireloom/accounts:update"
            httpx.post(url, json=claims, headers=owner, timeout=_SECONDS, trust_env=False).raise_for_status()
        signed_in = httpx.post(
            f"{self._auth}/accounts:signInWithPassword?key=local", json=person, timeout=_SECONDS, trust_env=False
        )
        signed_in.raise_for_status()
        return uid, signed_in.json()["idToken"]


def _verdict(answer: httpx.Response, success: str) -> str:
    if answer.status_code == HTTPStatus.FORBIDDEN:
        return DENIED
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return NOTHING
    answer.raise_for_status()
    return success
