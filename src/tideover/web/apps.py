"""The site's app: the rows about the house go into the slot of the role homes."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "tideover.web"
    label = "web"

    def ready(self) -> None:
        from tideover.core import panels
        from tideover.web import approvals, products, work
        from tideover.web.house_rows import HOUSE_ROWS, home_row

        for name in HOUSE_ROWS:
            panels.register("home.rows", panels.Panel(name, "", home_row(name), ""))
        panels.register("home.rows", panels.Panel("approvals", "", approvals.home_row, "approvals", order=0))
        panels.register("home.rows", panels.Panel("work", "", work.home_row, "work", order=1))
        template = "web/products/borrower.html"
        panels.register("borrower.home", panels.Panel("reset", template, products.borrower_panel, "my-schedule"))
