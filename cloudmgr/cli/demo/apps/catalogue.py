"""What each application asks its visitors: the variants of the one code base."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Words:
    """The same in Chinese and in English."""

    zh: str
    en: str

    def say(self, english: bool) -> str:
        return self.en if english else self.zh


@dataclass(frozen=True, slots=True)
class Field:
    """One question of a form. ``pattern`` must match the whole answer; ``choices`` limit it."""

    name: str
    label: Words
    example: str
    pattern: str = r".{1,60}"
    hint: Words = Words("", "")
    choices: tuple[tuple[str, Words], ...] = ()

    def problem(self, answer: str) -> Words | None:
        """What is wrong with ``answer``, or None."""
        if not answer:
            return Words("请填写此项", "Fill this in")
        if self.choices:
            known = {value for value, _ in self.choices}
            return None if answer in known else Words("请从列表中选择", "Choose one of the list")
        if _CONTROL.search(answer) or re.fullmatch(self.pattern, answer) is None:
            like = self.example
            return Words(f"格式不符，例如：{like}", f"Not as expected; like this: {like}")
        return None


@dataclass(frozen=True, slots=True)
class Service:
    """One application. ``places`` limits how many may choose the same answer to ``limited``."""

    code: str
    name: Words
    authority: Words
    lead: Words
    verb: Words
    prefix: str
    fields: tuple[Field, ...]
    limited: str = ""
    places: int = 0


def _choices(*pairs: tuple[str, str, str]) -> tuple[tuple[str, Words], ...]:
    return tuple((value, Words(zh, en)) for value, zh, en in pairs)


_NAME = Field("name", Words("姓名", "Name"), "王小明", r"[^<>]{2,40}")
_PLATE = Field("plate", Words("车牌号", "Plate"), "沪A12345", r"沪[A-Z][A-Z0-9]{5,6}")
_CREDIT_CODE = Field(
    "credit_code",
    Words("统一社会信用代码", "Unified social credit code"),
    "91310000MA1FL0XX12",
    r"[0-9A-Z]{18}",
    Words("18 位数字或大写字母", "18 digits or capital letters"),
)
_DISTRICTS = _choices(
    ("huangpu", "黄浦区", "Huangpu"),
    ("xuhui", "徐汇区", "Xuhui"),
    ("jingan", "静安区", "Jing'an"),
    ("pudong", "浦东新区", "Pudong"),
    ("minhang", "闵行区", "Minhang"),
    ("jiading", "嘉定区", "Jiading"),
)
_DISTRICT = Field("district", Words("所在区", "District"), "pudong", choices=_DISTRICTS)
_HOURS = _choices(
    *(
        (f"07{day:02}-{half}", f"7月{day}日{zh}", f"{day} July, {en}")
        for day in (1, 2, 3, 6, 7, 8, 9, 10)
        for half, zh, en in (("am", "上午", "morning"), ("pm", "下午", "afternoon"))
    )
)

SERVICES: dict[str, Service] = {
    service.code: service
    for service in (
        Service(
            "gaokao",
            Words("高考志愿填报", "College entrance: choice of universities"),
            Words("上海市教育委员会", "Shanghai Municipal Education Commission"),
            Words(
                "填报院校专业组志愿，截止前可多次修改，以最后一次为准。",
                "Enter your choices. You may file again; the last filing counts.",
            ),
            Words("提交志愿", "File choices"),
            "GK",
            (
                Field(
                    "ticket", Words("考生号", "Candidate number"), "26310105123456", r"2631\d{10}"
                ),
                _NAME,
                Field(
                    "first", Words("第一志愿院校专业组", "First choice"), "10246-01", r"\d{5}-\d{2}"
                ),
                Field(
                    "second",
                    Words("第二志愿院校专业组", "Second choice"),
                    "10248-03",
                    r"\d{5}-\d{2}",
                ),
                Field(
                    "adjust",
                    Words("服从专业调剂", "Accept another major"),
                    "yes",
                    choices=_choices(("yes", "服从", "Yes"), ("no", "不服从", "No")),
                ),
            ),
        ),
        Service(
            "income-tax",
            Words("个人所得税综合所得汇算", "Individual income tax: annual settlement"),
            Words("上海市税务局", "Shanghai Municipal Tax Service"),
            Words("2025 年度汇算，6 月 30 日截止。", "For the year 2025; it ends on 30 June."),
            Words("提交申报", "File"),
            "GS",
            (
                _NAME,
                Field(
                    "income",
                    Words("综合所得（元）", "Income (CNY)"),
                    "186000.00",
                    r"\d{1,9}(\.\d{1,2})?",
                ),
                Field(
                    "withheld",
                    Words("已预缴税额（元）", "Tax withheld (CNY)"),
                    "8280.00",
                    r"\d{1,9}(\.\d{1,2})?",
                ),
            ),
        ),
        Service(
            "annual-report",
            Words("企业年报公示", "Annual reports of companies"),
            Words("上海市市场监督管理局", "Shanghai Administration for Market Regulation"),
            Words("2025 年度年报，6 月 30 日截止。", "For the year 2025; it ends on 30 June."),
            Words("公示年报", "Publish the report"),
            "NB",
            (
                _CREDIT_CODE,
                Field(
                    "assets",
                    Words("资产总额（万元）", "Total assets (10,000 CNY)"),
                    "1250",
                    r"\d{1,10}",
                ),
                Field("staff", Words("从业人数", "Employees"), "36", r"\d{1,7}"),
            ),
        ),
        Service(
            "food-permit",
            Words("食品经营许可", "Food business permits"),
            Words("上海市市场监督管理局", "Shanghai Administration for Market Regulation"),
            Words("新办、变更、延续。", "First permits, changes and renewals."),
            Words("提交申请", "Apply"),
            "SP",
            (
                _CREDIT_CODE,
                _DISTRICT,
                Field(
                    "matter",
                    Words("事项", "Matter"),
                    "renew",
                    choices=_choices(
                        ("new", "新办", "First permit"),
                        ("change", "变更", "Change"),
                        ("renew", "延续", "Renewal"),
                    ),
                ),
            ),
        ),
        Service(
            "vehicle-inspection",
            Words("机动车检验预约", "Vehicle inspection bookings"),
            Words("上海市公安局", "Shanghai Public Security Bureau"),
            Words(
                "选择检验机构所在区和时段，名额有限。",
                "Choose a district and a time; places are limited.",
            ),
            Words("预约", "Book"),
            "JY",
            (_PLATE, _DISTRICT, Field("slot", Words("时段", "Time"), "0702-am", choices=_HOURS)),
            limited="slot",
            places=400,
        ),
        Service(
            "residence-permit",
            Words("居住证办理", "Residence permits"),
            Words("上海市公安局", "Shanghai Public Security Bureau"),
            Words("申领、签注与信息变更。", "First permits, endorsements and changes."),
            Words("提交申请", "Apply"),
            "JZ",
            (
                _NAME,
                _DISTRICT,
                Field(
                    "matter",
                    Words("事项", "Matter"),
                    "endorse",
                    choices=_choices(
                        ("new", "申领", "First permit"),
                        ("endorse", "签注", "Endorsement"),
                        ("change", "信息变更", "Change"),
                    ),
                ),
            ),
        ),
        Service(
            "skills-subsidy",
            Words("职业技能提升补贴", "Subsidies for vocational skills"),
            Words(
                "上海市人力资源和社会保障局", "Shanghai Human Resources and Social Security Bureau"
            ),
            Words("凭证书编号申领补贴。", "Apply with the number of your certificate."),
            Words("申领", "Apply"),
            "BT",
            (
                _NAME,
                Field(
                    "certificate", Words("证书编号", "Certificate"), "S000031123456789", r"S\d{15}"
                ),
                Field(
                    "level",
                    Words("等级", "Level"),
                    "4",
                    choices=_choices(
                        ("5", "初级工", "Junior"),
                        ("4", "中级工", "Intermediate"),
                        ("3", "高级工", "Senior"),
                    ),
                ),
            ),
        ),
        Service(
            "official-cars",
            Words("公务用车预约", "Official car bookings"),
            Words("上海市机关事务管理局", "Shanghai Government Offices Administration"),
            Words("公务网内部使用。", "For use within the government's network."),
            Words("预约", "Book"),
            "YC",
            (
                _NAME,
                Field("slot", Words("时段", "Time"), "0702-am", choices=_HOURS),
                Field(
                    "destination", Words("目的地", "Destination"), "人民大道 200 号", r"[^<>]{2,60}"
                ),
            ),
            limited="slot",
            places=120,
        ),
    )
}
