"""The verbs on people and projects; all of them at a service."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from labwright.cli.options import OutOption, UntilOption, at_service, strict_float, strict_limit
from labwright.cli.sites import Site

person_app = typer.Typer(
    help="Let people and programs in, and say what they may do.", no_args_is_help=True, rich_markup_mode=None
)
project_app = typer.Typer(
    help="Projects: who is in them, and what they may take of the lab.", no_args_is_help=True, rich_markup_mode=None
)

ProjectRole = Literal["viewer", "requester", "operator", "safety_reviewer", "data_steward", "admin", "agent"]

WhoArgument = Annotated[str, typer.Argument(metavar="WHO", help="Id of a person or a program.")]
ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="Its id.")]
_ROLES = "In the whole lab: viewer, operator, safety_reviewer, data_steward or admin"
_LIMIT = "Limit, or none for no limit; as it is without."


@person_app.command("list")
@at_service
def person_list(site: Site, json: bool) -> None:
    """List all people and programs that are known, with their roles in the whole lab."""
    from labwright.cli.people import list_people

    list_people(site, json=json)


@person_app.command("show")
@at_service
def person_show(site: Site, json: bool, who: WhoArgument) -> None:
    """Show a person or a program, with the roles in the whole lab and in projects."""
    from labwright.cli.people import show_person

    show_person(site, who, json=json)


@person_app.command("add")
@at_service
def person_add(
    site: Site,
    json: bool,
    who: Annotated[str, typer.Argument(metavar="WHO", help="The id to be: letters a to z, digits, '_', '.', '-'.")],
    name: Annotated[str, typer.Option("--name", help="To show.")] = "",
    email: Annotated[str, typer.Option("--email", help="Where notices are written to.")] = "",
    role: Annotated[list[str] | None, typer.Option("--role", help=f"{_ROLES}; repeatable.")] = None,
    group: Annotated[list[str] | None, typer.Option("--group", help="Data may be shared with it; repeatable.")] = None,
    agent: Annotated[bool, typer.Option("--agent", help="It is a program that acts by its own judgement.")] = False,
) -> None:
    """Let a person or a program in."""
    from labwright.cli.people import add_person

    add_person(site, who, name, email, role or (), group or (), agent=agent, json=json)


@person_app.command("roles")
@at_service
def person_roles(
    site: Site,
    json: bool,
    who: WhoArgument,
    role: Annotated[list[str] | None, typer.Argument(help=f"{_ROLES}; instead of those before.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Take all of them.")] = False,
) -> None:
    """Give a person other roles in the whole lab."""
    from labwright.cli.people import set_roles

    if bool(role) == none:
        raise typer.BadParameter("name the roles that count from now on, or give --none")
    set_roles(site, who, role or (), json=json)


@person_app.command("disable")
@at_service
def person_disable(site: Site, json: bool, who: WhoArgument) -> None:
    """Let a person or a program in no more; what was approved for them is carried out."""
    from labwright.cli.people import disable_person

    disable_person(site, who, json=json)


@person_app.command("invite")
@at_service
def person_invite(
    site: Site,
    json: bool,
    who: WhoArgument,
    hours: Annotated[
        float | None,
        typer.Option("--hours", help="For which it holds; 72.", parser=strict_float(0.01, 720), metavar="<float>"),
    ] = None,
    out: OutOption = None,
) -> None:
    """Let a person set a password: print the invitation, once. One that was made before ends."""
    from labwright.cli.people import invite_person

    invite_person(site, who, hours, out, json=json)


@project_app.command("list")
@at_service
def project_list(site: Site, json: bool) -> None:
    """List projects that you may see, with their members."""
    from labwright.cli.projects import list_projects

    list_projects(site, json=json)


@project_app.command("show")
@at_service
def project_show(site: Site, json: bool, project: ProjectArgument) -> None:
    """Show who is in a project, and what it may take of the lab."""
    from labwright.cli.projects import show_project

    show_project(site, project, json=json)


@project_app.command("add")
@at_service
def project_add(
    site: Site,
    json: bool,
    project: Annotated[str, typer.Argument(help="The id to be: letters a to z, digits, '_', '.', '-'.")],
    title: Annotated[str, typer.Option("--title", help="To show.")] = "",
) -> None:
    """Start a project."""
    from labwright.cli.projects import add_project

    add_project(site, project, title, json=json)


@project_app.command("join")
@at_service
def project_join(
    site: Site,
    json: bool,
    project: ProjectArgument,
    who: WhoArgument,
    role: Annotated[ProjectRole, typer.Option("--role", help="There; agent for a program.")],
    until: UntilOption = None,
) -> None:
    """Give a person or a program a role in a project."""
    from labwright.cli.projects import join_project

    join_project(site, project, who, role, until, json=json)


@project_app.command("leave")
@at_service
def project_leave(site: Site, json: bool, project: ProjectArgument, who: WhoArgument) -> None:
    """Take all roles in a project from a person or a program."""
    from labwright.cli.projects import leave_project

    leave_project(site, project, who, json=json)


@project_app.command("quota")
@at_service
def project_quota(
    site: Site,
    json: bool,
    project: ProjectArgument,
    experiments: Annotated[
        float | None, typer.Option("--experiments", parser=strict_limit, metavar="NUMBER", help=_LIMIT)
    ] = None,
    station_minutes: Annotated[
        float | None, typer.Option("--station-minutes", parser=strict_limit, metavar="NUMBER", help=_LIMIT)
    ] = None,
    cost: Annotated[float | None, typer.Option("--cost", parser=strict_limit, metavar="NUMBER", help=_LIMIT)] = None,
) -> None:
    """Show what a project may take in all, has reserved, and was charged; or set what it may take."""
    from labwright.cli.projects import project_quota as quota

    limits = {"experiments": experiments, "station_minutes": station_minutes, "cost": cost}
    quota(site, project, {kind: limit for kind, limit in limits.items() if limit is not None}, json=json)
