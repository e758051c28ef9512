"""The city of the demo: six departments, eight systems, and how big each is. Pure data.

Rates are those of the default speed: a business day in four minutes. The thinning grows with the
speed, so that a second of the machine carries the same load however fast the day goes by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cloudmgr.cli.demo.traces import EXAM

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = datetime(2026, 6, 30, tzinfo=SHANGHAI)
MONTH = "2026-06"
DEFAULT_SPEED = 360.0

# At the default speed: 80 requests a second at the peak of the exam enrolment, 18 in the worst
# burst of any other system. Two cores carry that with room for everything else that runs on them.
EXAM_PER = 16_000
SMALL_PER = 8
WINDOW_REPLICAS = 5


@dataclass(frozen=True, slots=True)
class Department:
    """One that asks and pays; each has a billing account of its own."""

    code: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who signs in. ``department`` is a code, or empty for the city's own people."""

    login: str
    name: str
    role: str
    department: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A system, its environment and the trace that stands for its visitors.

    ``code`` is also the name of its application. A replica works on ``concurrency``
    requests at once, each for ``work_milliseconds`` at least.
    """

    code: str
    department: str
    name_zh: str
    name_en: str
    zone: str
    level: int
    criticality: int
    purpose: str
    trace: str
    cpu_millis: int = 250
    memory_mib: int = 256
    ceiling: int = 3
    concurrency: int = 8
    work_milliseconds: int = 60

    @property
    def peaks(self) -> bool:
        """Whether the announced crowds are this system's."""
        return self.trace == EXAM


DEPARTMENTS = (
    Department("education", "上海市教育委员会", "Shanghai Municipal Education Commission"),
    Department("taxation", "国家税务总局上海市税务局", "Shanghai Municipal Tax Service"),
    Department("market", "上海市市场监督管理局", "Shanghai Administration for Market Regulation"),
    Department("police", "上海市公安局", "Shanghai Public Security Bureau"),
    Department(
        "labour",
        "上海市人力资源和社会保障局",
        "Shanghai Human Resources and Social Security Bureau",
    ),
    Department("offices", "上海市机关事务管理局", "Shanghai Government Offices Administration"),
)

OFFICERS = (
    Person("edu-li", "李文清", "department-officer", "education"),
    Person("tax-chen", "陈佳", "department-officer", "taxation"),
    Person("market-wang", "王海燕", "department-officer", "market"),
    Person("police-zhao", "赵伟", "department-officer", "police"),
    Person("labour-sun", "孙立", "department-officer", "labour"),
    Person("offices-zhou", "周敏", "department-officer", "offices"),
)
APPROVER = Person("approver-xu", "徐建国", "approver")
OPERATOR = Person("operator-lin", "林涛", "operator")
FINANCE = Person("finance-he", "何静", "finance")
AUDITOR = Person("auditor-gu", "顾明", "auditor")
PEOPLE = (*OFFICERS, APPROVER, OPERATOR, FINANCE, AUDITOR)

PLANS = (
    Plan(
        "gaokao",
        "education",
        "高考志愿填报",
        "College entrance: choice of universities",
        "extranet",
        3,
        4,
        "考生网上填报院校志愿",
        EXAM,
        cpu_millis=500,
        ceiling=8,
        concurrency=8,
        work_milliseconds=150,
    ),
    Plan(
        "income-tax",
        "taxation",
        "个人所得税综合所得汇算",
        "Individual income tax: annual settlement",
        "extranet",
        3,
        3,
        "个税年度汇算申报",
        "UPS",
    ),
    Plan(
        "annual-report",
        "market",
        "企业年报公示",
        "Annual reports of companies",
        "extranet",
        3,
        3,
        "企业年度报告填报与公示",
        "KO",
    ),
    Plan(
        "food-permit",
        "market",
        "食品经营许可",
        "Food business permits",
        "extranet",
        2,
        2,
        "食品经营许可申请",
        "CRM",
    ),
    Plan(
        "vehicle-inspection",
        "police",
        "机动车检验预约",
        "Vehicle inspection bookings",
        "extranet",
        3,
        2,
        "机动车检验网上预约",
        "FB",
    ),
    Plan(
        "residence-permit",
        "police",
        "居住证办理",
        "Residence permits",
        "extranet",
        3,
        2,
        "居住证申领与签注",
        "IBM",
    ),
    Plan(
        "skills-subsidy",
        "labour",
        "职业技能提升补贴",
        "Subsidies for vocational skills",
        "extranet",
        2,
        2,
        "职业技能提升补贴申领",
        "PFE",
    ),
    Plan(
        "official-cars",
        "offices",
        "公务用车预约",
        "Official car bookings",
        "intranet",
        2,
        1,
        "机关公务用车预约",
        "CVS",
    ),
)


def moment(second_of_day: float) -> datetime:
    """The business time (UTC) at this second of :data:`DAY` by Shanghai's clock."""
    return (DAY + timedelta(seconds=second_of_day)).astimezone(UTC)


def thinning(plan: Plan, speed: float) -> int:
    """For how many requests of the trace one is replayed, at ``speed``; at least 1."""
    per = EXAM_PER if plan.peaks else SMALL_PER
    return max(1, round(per * speed / DEFAULT_SPEED))
