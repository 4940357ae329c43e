"""What people look at in a browser, one file a page. Server-rendered; a small script keeps a page up to date."""

from fastapi import APIRouter

from slo_engine.web.pages import deliveries, incident, incidents, lab, login, overview, slo, spend

router = APIRouter()
for each in (overview, slo, incidents, incident, spend, deliveries, lab, login):
    router.include_router(each.router)
