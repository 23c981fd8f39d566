"""Words that tell what a number counts."""

# What people are counted by. Behind the number: "12 people were killed", "30 injured", "412 cases".
BEHIND = {
    word: label
    for label, words in {
        "toll": "dead killed died dies die dying deaths fatalities bodies lives perished drowned corpses",
        "injured": "injured wounded hurt injuries injures treated hospitalised hospitalized",
        "missing": "missing unaccounted",
        "arrested": "arrested detained arrests detainees",
        "evacuated": "evacuated evacuees flee fled",
        "rescued": "rescued alive",
        "released": "released freed",
        "displaced": "displaced homeless",
        "trapped": "trapped stranded",
        "hostages": "hostages",
        "cases": "cases infections infected ill sick sickened",
    }.items()
    for word in words.split()
}
# Before it: "killing 12", "injures 30".
AHEAD = {
    word: label
    for label, words in {
        "toll": "killed killing kills kill dead claimed claims claiming",
        "injured": "injured injuring injures injure wounded wounding wounds hurting hurts",
        "arrested": "arrested arresting arrests arrest detained detain detains detaining",
        "evacuated": "evacuated evacuates evacuating evacuate",
        "rescued": "rescued rescues rescuing",
        "released": "released releases releasing freed frees freeing release free",
        "displaced": "displaced displacing displaces",
        "trapped": "trapped trapping traps",
        "cases": "infected infecting infects sickened sickening sickens",
    }.items()
    for word in words.split()
}
# Things that matter when their number changes, by what they are called here.
THINGS = {
    word: label
    for label, words in {
        "homes": "homes houses households",
        "buildings": "buildings",
        "acres": "acres",
        "hectares": "hectares",
        "customers": "customers",
        "troops": "troops soldiers servicemen",
        "jobs": "jobs layoffs redundancies",
        "flights": "flights",
        "schools": "schools",
        "hospitals": "hospitals",
        "villages": "villages",
        "workers": "workers employees",
        "cars": "cars vehicles",
        "strikes": "airstrikes raids sorties",
        "missiles": "missiles rockets",
        "drones": "drones",
        "users": "users accounts",
        "patients": "patients",
        "refugees": "refugees migrants",
        "protesters": "protesters demonstrators marchers",
        "mph": "mph",
        "km": "km kilometres kilometers",
        "miles": "miles",
    }.items()
    for word in words.split()
}
DISTANCES = frozenset({"km", "miles"})
# More of them are told as the count goes on; a smaller number is mostly a part or an old report.
GROWING = frozenset({*BEHIND.values(), *AHEAD.values()} - {"missing", "trapped", "hostages"})
TIMES = frozenset(
    "year years month months week weeks day days hour hours minute minutes second seconds a.m p.m a.m. "
    "p.m. am pm o'clock st th times percent points".split()
)
MONTHS = frozenset(
    "january february march april may june july august september october november december jan feb aug "
    "sept oct nov dec".split()
)
PART = frozenset("including includes among no".split())
ASIDE = frozenset("including among most mostly many some mainly at all one two three four five".split())
ENDS = frozenset(
    "and but or that which suggests ; : ( ) – — while as whose attend attended mourn mourned protest protested rally "
    "gather gathered march marched demand pray after before when".split()
)
TO = frozenset(
    "to at is was reaches reached passes passed crosses crossed topped hits hit stands of exceeds tops "
    "surpasses stood : now".split()
)
PERSON = frozenset(
    "man woman boy girl officer soldier worker firefighter driver person child teenager student policeman "
    "passenger pilot journalist baby infant toddler protester demonstrator villager resident hostage "
    "civilian sailor miner tourist nurse doctor guard trooper marine fighter rescuer motorist climber "
    "pedestrian".split()
)
HURT = frozenset("wounded injured hurt".split())
DIED = frozenset("killed dead died dies dying drowned".split())
LOWER = frozenset(
    "lowered lowers lower revised revises revise corrected corrects fewer recount mistakenly wrongly "
    "counted down".split()
)
PRISON = frozenset("prison jail imprisonment jailed sentenced sentence sentences bars custody imprisoned".split())
BALANCE = frozenset("conservative liberal republican democratic split balance edge advantage".split())
SHARES = {"half": 50.0, "third": 33.0, "quarter": 25.0, "fifth": 20.0, "tenth": 10.0}
HALVED = frozenset("halve halves halved halving".split())
FRACTIONS = frozenset({*SHARES, *HALVED, "fraction"})
SPANS = ("year", "month", "week", "day", "hour", "minute", "second")
MAYBE = frozenset("could may might would facing faces face maximum up carries risks if".split())
FREED = frozenset(
    "people prisoners hostages detainees men women migrants inmates suspects children captives soldiers "
    "more others of girls boys passengers workers crew journalists reporters pupils students schoolgirls teachers "
    "sailors nuns priests doctors activists protesters civilians".split()
)
VOTES = frozenset("vote votes voted voting senate house passed passes confirms confirmed parliament approves".split())
# Behind "the two who were missing were found dead" and "seven of the abducted have been freed".
PASSIVE = frozenset("were was been be".split())
FOUND = frozenset("found confirmed pronounced declared reported known safely later also now".split())
# Behind "killed" where somebody killed them.
OBJECTS = frozenset(
    "a an the at more about nearly some dozens scores hundreds thousands two three four five six seven "
    "eight nine ten eleven twelve twenty thirty forty fifty several many people civilians his her their "
    "him them himself one".split()
)
# Behind "40 kilometres" where that is the way to a place.
AWAY = frozenset(
    "north south east west away from off outside inside northeast northwest southeast southwest an per "
    "long wide high deep of inland offshore (".split()
)
ONE = DIED | HURT  # that are told of one person without a number
COUNTERS = frozenset("toll number total count".split())
PEOPLE = frozenset({*BEHIND.values(), *AHEAD.values()})
COUNTED = THINGS | BEHIND  # "the number of …"
ORDINALS = frozenset("second third fourth fifth sixth seventh eighth ninth tenth".split())
# Behind an ordinal they count no event.
TURNS = frozenset(
    "day week month year quarter time half round term night season person place generation world wave "
    "floor party in of to and amendment circuit district street avenue ave ranking largest biggest "
    "highest most term anniversary dose doses shot shots".split()
)
