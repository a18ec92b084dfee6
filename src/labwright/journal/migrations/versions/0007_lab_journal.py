"""A journal for a lab: scopes, decks and identity in columns; snapshots, trials, vetoes, and specs of their own."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OVER = ("completed", "stopped", "failed")


def upgrade() -> None:
    """Change the tables and what is in them; events keep their ids and what they say."""
    decks = _decks()
    _events(decks)
    _epochs()
    op.create_table(
        "snapshot",
        sa.Column("id", BigId, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.BigInteger, nullable=False),
        _text("instruments"),
        sa.Column("engine", sa.Integer, nullable=False),
        sa.Column("taken_s", sa.Float, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index("snapshot_newest", "snapshot", ["instruments", "event_id"])
    _campaigns()
    _trials()
    _vetoes()
    for name in ("intent", "observation"):
        _identity(name)
    newest = {deck: campaign for campaign, deck in decks.items()}
    state = sa.Column("state", sa.String(16), nullable=False)
    _per_deck("reservation", "resource", newest, _scope(), _text("label"), _text("step_id"), state)
    volumes = [sa.Column(name, sa.Float, nullable=False) for name in ("usable_ml", "reserved_ml")]
    volumes.append(sa.Column("unknown_ml", sa.Float, nullable=False, server_default="0"))
    _per_deck("lot", "name", newest, *volumes)
    _per_deck("position", "name", newest, _scope(), _text("label"), _text("holds"))
    _ledger(decks)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _scope() -> sa.Column[str]:
    return sa.Column("campaign", sa.String(200), nullable=False, server_default="")


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(200), primary_key=True)


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(one) for one in columns))


def _decks() -> dict[str, str]:
    """On which instruments each campaign is, the newest campaign last."""
    connection = op.get_bind()
    event, campaign = _table("event", "id", "campaign", "payload"), _table("campaign", "id", "instruments")
    known = {row.id: row.instruments for row in connection.execute(sa.select(campaign))}
    first = sa.select(sa.func.min(event.c.id)).group_by(event.c.campaign)
    found = {}
    for row in connection.execute(sa.select(event).where(event.c.id.in_(first)).order_by(event.c.id)):
        begun = orjson.loads(row.payload)
        found[row.campaign] = (
            known.get(row.campaign) or begun.get("instruments") or ("here" if begun.get("simulated") else "real")
        )
    return found


def _events(decks: dict[str, str]) -> None:
    op.add_column("event", _text("instruments"))
    op.drop_index("ix_event_campaign", "event")
    op.create_index("event_campaign", "event", ["campaign", "id"])
    event = _table("event", "campaign", "instruments")
    for campaign, deck in decks.items():
        op.get_bind().execute(sa.update(event).where(event.c.campaign == campaign).values(instruments=deck))
    op.create_index("event_instruments", "event", ["instruments", "id"])


def _epochs() -> None:
    op.add_column("epoch", sa.Column("engine", sa.Integer, nullable=False, server_default="1"))
    op.add_column("epoch", _text("instruments"))
    op.add_column("epoch", sa.Column("heartbeat_s", sa.Float))


def _campaigns() -> None:
    """When each began and ended, and its planner; its spec goes to a table of its own."""
    connection = op.get_bind()
    spec = op.create_table("campaign_spec", _key("campaign"), _text("spec"))
    op.add_column("campaign", sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
    op.add_column("campaign", sa.Column("began_s", sa.Float))
    op.add_column("campaign", sa.Column("ended_s", sa.Float))
    op.add_column("campaign", _text("planner"))
    op.add_column("campaign", _text("objectives"))
    op.add_column("campaign", sa.Column("best", sa.Float))
    campaign = _table("campaign", "id", "state", "spec", "began_s", "ended_s", "planner", "objectives")
    event = _table("event", "id", "campaign", "kind", "lab_time_s")
    for row in connection.execute(sa.select(campaign)).all():
        connection.execute(sa.insert(spec).values(campaign=row.id, spec=row.spec))
        told = orjson.loads(row.spec) if row.spec else {}
        mine = sa.select(event.c.lab_time_s).where(event.c.campaign == row.id).limit(1)
        last = mine.where(event.c.kind != "deck_checked").order_by(event.c.id.desc())  # that comes after its end
        values = {
            "planner": told.get("planner", {}).get("name", ""),
            "objectives": _objectives(told),
            "began_s": connection.execute(mine.order_by(event.c.id)).scalar(),
            "ended_s": connection.execute(last).scalar() if row.state in OVER else None,
        }
        connection.execute(sa.update(campaign).where(campaign.c.id == row.id).values(**values))
    op.drop_column("campaign", "spec")


def _objectives(spec: dict[str, Any]) -> str:
    if "objective" not in spec:
        return ""
    return orjson.dumps([spec["objective"], *spec.get("more_objectives", ())]).decode()


def _trials() -> None:
    """Those that had an experiment; the others stand in the events alone, and come back when a campaign is resumed."""
    connection = op.get_bind()
    trial = op.create_table(
        "trial",
        _key("campaign"),
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        _text("label"),
        _text("trial"),
    )
    experiment = _table("experiment", "campaign", "label", "trial")
    kept = sa.select(experiment).where(experiment.c.trial != "").order_by(experiment.c.campaign, experiment.c.label)
    rows: list[dict[str, Any]] = []
    for row in connection.execute(kept).all():
        known = orjson.loads(row.trial)
        n = rows[-1]["n"] + 1 if rows and rows[-1]["campaign"] == row.campaign else 1
        told = {"id": known["id"], "status": known["status"], "source": known.get("source", "planner")}
        rows.append({"campaign": row.campaign, "n": n, **told, "label": row.label, "trial": row.trial})
    if rows:
        connection.execute(sa.insert(trial), rows)
    op.drop_column("experiment", "trial")


def _vetoes() -> None:
    connection = op.get_bind()
    veto = op.create_table(
        "veto",
        _key("campaign"),
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
        _text("params"),
        sa.Column("reach", sa.Float, nullable=False),
        _text("by"),
        _text("because"),
    )
    event = _table("event", "id", "campaign", "kind", "payload")
    told = sa.select(event).where(event.c.kind == "vetoed").order_by(event.c.campaign, event.c.id)
    rows: list[dict[str, Any]] = []
    for row in connection.execute(told).all():
        said = orjson.loads(row.payload).get("veto")
        if said is None:  # a proposal was withdrawn
            continue
        n = rows[-1]["n"] + 1 if rows and rows[-1]["campaign"] == row.campaign else 1
        who = {"by": said.get("by", ""), "because": said.get("because", "")}
        params = orjson.dumps(said["params"]).decode()
        rows.append({"campaign": row.campaign, "n": n, "params": params, "reach": said.get("reach", 0.0), **who})
    if rows:
        connection.execute(sa.insert(veto), rows)


def _identity(name: str) -> None:
    """Which experiment and step a row belongs to: the last time that an id is taken apart."""
    connection = op.get_bind()
    op.add_column(name, _scope())
    for column in ("label", "step"):
        op.add_column(name, sa.Column(column, sa.String(64), nullable=False, server_default=""))
    table = _table(name, "step_id", "campaign", "label", "step")
    step = _table("step", "step_id", "campaign", "label", "name")
    known = sa.select(step.c.step_id)
    mine = step.c.step_id == table.c.step_id
    of_step = {
        "campaign": sa.select(step.c.campaign).where(mine).scalar_subquery(),
        "label": sa.select(step.c.label).where(mine).scalar_subquery(),
        "step": sa.select(step.c.name).where(mine).scalar_subquery(),
    }
    connection.execute(sa.update(table).where(table.c.step_id.in_(known)).values(**of_step))
    left = sa.select(table.c.step_id).where(table.c.campaign == "").distinct()
    for step_id in connection.execute(left).scalars().all():
        campaign, label, own = _parts(step_id)
        new = sa.update(table).where(table.c.step_id == step_id).values(campaign=campaign, label=label, step=own)
        connection.execute(new)
    op.create_index(f"{name}_experiment", name, ["campaign", "label"])


def _parts(step_id: str) -> tuple[str, str, str]:
    campaign, _, rest = step_id.partition("/")
    label, _, step = rest.partition("/")
    return campaign, label, step.partition("~")[0]


def _per_deck(name: str, key: str, newest: dict[str, str], *columns: sa.Column[Any]) -> None:
    """The instruments become the key, in place of the campaign: of each deck the newest campaign's rows stay."""
    connection = op.get_bind()
    old = _table(name, *(str(one["name"]) for one in sa.inspect(connection).get_columns(name)))
    rows = [dict(row) for row in connection.execute(sa.select(old)).mappings()]
    op.drop_table(name)
    made = op.create_table(name, sa.Column("instruments", sa.Text, primary_key=True), _key(key), *columns)
    decks = {campaign: deck for deck, campaign in newest.items()}
    kept = [
        {one: value for one, value in {**row, "instruments": decks[row["campaign"]]}.items() if one in made.c}
        for row in rows
        if row["campaign"] in decks
    ]
    if kept:
        connection.execute(sa.insert(made), kept)


def _ledger(decks: dict[str, str]) -> None:
    """Each deck counts its own entries, in the order in which they were made."""
    connection = op.get_bind()
    op.add_column("ledger", _text("instruments"))
    op.add_column("ledger", sa.Column("entry", sa.BigInteger, nullable=False, server_default="0"))
    ledger = _table("ledger", "id", "campaign", "instruments", "entry")
    for campaign, deck in decks.items():
        connection.execute(sa.update(ledger).where(ledger.c.campaign == campaign).values(instruments=deck))
    counted: dict[str, int] = {}
    numbered = []
    for row in connection.execute(sa.select(ledger).order_by(ledger.c.id)).all():
        counted[row.instruments] = counted.get(row.instruments, 0) + 1
        numbered.append({"this": row.id, "entry": counted[row.instruments]})
    if numbered:
        connection.execute(sa.update(ledger).where(ledger.c.id == sa.bindparam("this")), numbered)
    op.create_index("ledger_entry", "ledger", ["instruments", "entry"], unique=True)
