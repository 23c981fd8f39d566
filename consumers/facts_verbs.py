"""Verbs that tell what was done, and the words around them that tell whether it was."""

from collections.abc import Iterator

from consumers.model import FactKind
from consumers.words import stem

# act: its verbs; what must stand near, if anything; the turn of a story, or else an official act
TURNS = """
deny: denies denied
deny: rejects rejected; allegations accusations claims charges claim accusation allegation
withdraw: pulls pulled; nomination candidacy bid
withdraw: withdraws withdrew withdrawn withdrawing
resume: restarts restarted
resume: resumes
resume: resumed resuming; talks fighting shelling attacks strikes hostilities search flights war bombing \
negotiations trial operations violence work service production strike protests launches
suspend: suspends suspended halts halted
cancel: cancels cancelled canceled
cancel: walk walks walked; talks negotiations
recuse: recuses recused
pause: pauses paused
retake: retakes retook retaken recaptures recaptured
appeal: appealed; ruling verdict conviction fine sentence court decision
postpone: postpones postponed delays
postpone: delayed; launch start vote trial flight opening talks decision delivery
overturn: overturns overturned quashes quashed annuls annulled invalidated
acquit: acquits acquitted exonerated exonerates
reverse: reverses reversed reversing backtracks backtracked backpedals
reinstate: reinstates reinstated restores restored; rule ban law order policy ruling official minister power
revoke: revokes revoked rescinds rescinded repeals repealed
scrap: scraps scrapped
reopen: reopens reopened reopening; line railway track border borders airport bridge road school schools station \
tunnel port case investigation inquiry embassy government probe airspace market plant mine office offices church
veto: vetoes vetoed
recant: recants recanted
abandon: abandons abandoned abandoning drops dropped dropping drop; demand demands charges case lawsuit plan plans \
bid suit appeal probe \
deal talks claim film role series squad sponsorship
concede: concedes conceded; defeat election race
collapse: collapses collapsed broke breaks broken breached violates violated; ceasefire truce deal talks \
agreement accord transfer merger takeover move sale
lift: lifts lifted; evacuation ban sanctions order curfew lockdown embargo restrictions siege \
blockade emergency alert warning
block: blocks blocked; judge court watchdog regulator authority senate parliament republicans democrats tribunal
free: released releases freed frees; crew sailors ship tanker vessel captives prison jail custody hostages \
hostage prisoners prisoner bail charge detainees suspect jailed imprisoned kidnapped abducted captive detained held \
journalist journalists reporter reporters pupils schoolgirls
restore: restores restored restoring; power electricity service services water network systems order access \
communications
end: ends ended; strike siege standoff hunger-strike boycott blockade talks search
reject: rejects rejected rejecting; offer bid deal plan proposal demand terms request appeal
dismiss: dismisses dismissed tossed throws threw; case appeal lawsuit suit charge charges petition challenge claim
ground: grounds grounded; agency regulator airline airlines planes rockets flights jets aircraft fleet
"""
ACTS = """
arrest: arrests arrested detains detained captured
charge: charged indicted indicts; murder assault fraud police prosecutors jury counts manslaughter lying \
terrorism theft conspiracy offences crimes felony indictment
convict: convicts convicted
sentence: sentences sentenced jailed jails
resign: resigns resigned quits
sack: sacks sacked ousts ousted
sack: dismissed dismisses fired fires; chairman chief director minister head board executive secretary general boss
appoint: appoints appointed nominates nominated
appoint: confirms confirmed; senate
expel: expels expelled
extradite: extradites extradited
surrender: surrenders surrendered
seize: seizes seized
strip: strips stripped; title titles medal medals cup citizenship powers licence license immunity passport
uphold: upholds upheld
sink: sinks sank sunk; ship frigate ferry boat vessel tanker warship trawler submarine yacht
guarantee: guarantees guaranteed
freeze: freezes froze frozen; assets accounts account funds prices
find: found find finds recovered; wreckage box recorder body bodies remains weapon plane ship bomb explosives device \
evidence drugs cracks
fail: fails failed; talks bid attempt vote mission launch test
survive: survives survived; vote motion
lose: loses lost; vote election appeal case seat
settle: settles settled; lawsuit claims case suit charges dispute
elect: elected re-elected
retire: retires retired
testify: testifies testified
endorse: endorses endorsed
summon: summons summoned; ambassador envoy
accept: accepts accepted; offer deal plan resignation invitation terms proposal responsibility
join: joins joined join; strike protest protests lawsuit war alliance coalition nato search
raid: raids raided searched searches; police prosecutors agents officers fbi detectives investigators office \
offices home
extend: extends extended; deadline ban lockdown curfew truce ceasefire contract detention emergency sanctions
launch: launches launched; offensive operation rocket probe satellite attack
recall: recalls recalled; ambassador diplomats envoy cars vehicles product products
close: closes closed shuts shut; border airport offices shops stores hospital school schools road roads plant \
factory port embassy airspace mine
agree: agrees agreed agree; ceasefire truce withdraw withdrawal talks peace treaty troops
blame: blames blamed
approve: approves approved
approve: passes passed clears cleared; bill law legislation measure budget
sign: signs signed; ceasefire truce peace budget resolution contract bill law order deal decree pact agreement \
treaty legislation
ban: bans banned outlaws outlawed
impose: imposes imposed
claim: claims claimed; responsibility
storm: storms stormed
deploy: deploys deployed
declare: declares declared; emergency war independence victory winner bankrupt bankruptcy mourning over end \
outbreak dead martial disaster ceasefire truce pandemic famine drought curfew state
admit: admits admitted confesses confessed
apologise: apologises apologizes apologised apologized apologising apologizing
order: orders ordered
announce: announces announced
confirm: confirms confirmed
accuse: accuses accused
condemn: condemns condemned
investigate: investigates
investigate: opens opened launches launched; investigation inquiry probe
identify: identifies identified; suspect suspects gunman attacker shooter bomber victim victims man woman body bodies \
remains driver pilot cause strain killer person
spread: spreads spread spreading reaches reached; outbreak cases virus disease epidemic infection infections cholera \
measles ebola flu covid plague polio protests unrest violence strike
sue: sues sued
fine: fines fined
rule: rules ruled; judge court justices tribunal
pardon: pardons pardoned
impeach: impeaches impeached
win: wins won; election race presidency vote primary referendum runoff
"""
PHRASES = {
    "cancel": ("called off", "calls off", "pulled out", "pulls out", "walked away", "walks away", "pulling out"),
    "resign": ("stepped down", "steps down", "stepping down"),
    "reverse": ("backed down", "backs down", "u-turn", "walked back", "walks back"),
    "found alive": ("found alive", "pulled alive", "rescued alive", "appears alive", "is alive", "still alive"),
    "restore": ("power back on", "lights back on", "back online", "fully restored"),
    "clear": ("cleared of", "cleared by", "been cleared", "was cleared", "were cleared"),
    "charge": ("charged with", "charged over", "charged in"),
    "landfall": ("makes landfall", "made landfall"),
    "bankrupt": ("files for bankruptcy", "filed for bankruptcy"),
    "rule out": ("rules out", "ruled out"),
    "test positive": ("tests positive", "tested positive"),
    "leave hospital": ("leaves hospital", "left hospital", "discharged from hospital"),
    "sever": ("cuts ties", "severs ties", "severed ties", "breaks off talks", "broke off talks"),
    "lift off": ("blasts off", "blasted off", "lifts off", "lifted off"),
    "appoint": ("sworn in",),
    "agree": ("reach deal", "reaches deal", "reach agreement", "reached agreement", "strike deal", "strikes deal"),
    "will appeal": ("will appeal",),
    "will reopen": ("will reopen",),
    "will resign": ("will resign", "will step down"),
    "free": ("walks free", "walked free", "set free"),
    "convict": ("found guilty", "pleads guilty", "pleaded guilty"),
    "overturn": ("struck down", "strikes down"),
    "return": ("allowed home", "allowed back", "return home", "returns home", "returned home", "go home"),
    "deny": (
        "not guilty",
        "is not the",
        "was not the",
        "were not the",
        "are not the",
        "is fake",
        "was fake",
        "a forgery",
        "a hoax",
        "is false",
        "are false",
        "was false",
    ),
    "investigate": ("is investigating", "are investigating"),
}
ARTICLES = frozenset("the a an this its".split())
DETERMINERS = frozenset("the a an his her its their over of for with against about".split())
# "Union to sue Glacier Air": how headlines say what somebody has decided.
DECIDED = {
    "sue": "sue",
    "resign": "resign",
    "appeal": "appeal",
    "reopen": "reopen",
    "restart": "resume",
    "resume": "resume",
    "quit": "resign",
    "step": "resign",
    "withdraw": "withdraw",
    "recuse": "recuse",
}
UNDECIDED = frozenset(
    "plan plans vows calls call urged urges asks asked bid fails set ready wants want orders ordered told tells "
    "how when time reasons refuses threatens able unable due pressure hopes seeks tries right one pressed".split()
)
TURNING_PHRASES = frozenset(
    {"will reopen", "cancel", "reverse", "overturn", "found alive", "free", "deny", "restore", "clear", "return"}
)
# Nouns as often as verbs, but in a headline.
NOUNS = frozenset(
    "orders claims fines signs bans rules grounds storms arrests charges drops blocks breaks sentences "
    "drop halts won captured jails pauses passes".split()
)
# These only count where a body, an official or a name does them.
SPOKEN = frozenset(
    "announce confirm order declare admit accuse condemn blame approve identify impose deploy apologise "
    "sign rule".split()
)
OFFICIAL = frozenset(
    "minister ministry ministers president governor mayor court judge jury prosecutor prosecutors "
    "parliament army military navy police sheriff embassy regulator watchdog agency commission chancellor "
    "king queen pope union premier council government administration authority authorities officials "
    "official kremlin pentagon guard senate congress committee department bank operator owner company "
    "airline secretary spokesman spokeswoman general rebels opposition club federation league hospital "
    "university union operator".split()
)
BODIES = {
    word: key
    for key, words in {
        "minister": "minister ministry ministers",
        "premier": "premier",
        "president": "president",
        "governor": "governor",
        "mayor": "mayor",
        "court": "court judge",
        "prosecutor": "prosecutor prosecutors",
        "parliament": "parliament",
        "army": "army military navy",
        "sheriff": "sheriff",
        "embassy": "embassy ambassador",
        "regulator": "regulator watchdog",
        "chancellor": "chancellor",
        "coroner": "coroner",
        "pope": "pope",
    }.items()
    for word in words.split()
}
TITLED = frozenset("president minister chancellor pope governor mayor court judge".split())  # known by their names
SAYS = frozenset(
    "says said warns warned urges urged tells told insists insisted vows vowed stands stood calls called".split()
)
# Who is believed when they say something.
SPEAKERS = frozenset(
    "police minister ministry president governor mayor court judge prosecutor prosecutors army military "
    "navy sheriff investigators investigator officials official authorities authority agency commission "
    "regulator watchdog government coroner doctors inspectors auditors spokesman spokeswoman chancellor "
    "association centre center lawyer lawyers manager institute newspaper engineers scientists researchers "
    "premier detectives service survey company chief executive union report study letter documents club federation "
    "league operator university hospital airline bank treasury fbi nato un club".split()
)
TELLS = SAYS | frozenset("confirmed confirms announced announces admitted admits revealed reveals".split())
PAPERS = frozenset("report reports documents document study letter letters emails audit review memo files".split())
# Stems that tell that somebody speaks, not what.
SAYING = frozenset(
    map(
        stem,
        "say says said saying tell tells told insist insists insisted warn warns warned urge urges vow "
        "vows report reports reported according show shows claim claims new day week still police "
        "official officials people".split(),
    )
)
BEING = frozenset("being been be was were is are gets got".split())
# Said of somebody they are a quarrel; they are news where the report says much that is new besides.
TALK = frozenset("accuse announce blame condemn confirm".split())
# What a story knows by one of these it knows by the others: "cancels her tour", "scraps tour dates".
KIN = {
    act: frozenset(kin.split())
    for kin in (
        "cancel scrap abandon withdraw",
        "revoke reverse overturn scrap cancel",
        "block suspend pause",
        "block ban",
        "impose sign order",
        "sue accuse",
        "sack resign",
    )
    for act in kin.split()
}
KIN = {act: frozenset().union(*(kin for kin in KIN.values() if act in kin)) for act in KIN}
# Who is sentenced was convicted, charged and arrested before.
STAGES = ("accuse", "arrest", "charge", "convict", "sentence")
MODAL = frozenset("would could may might should will must having if before whether not interested".split())
I_SAY = frozenset("i we we're i'm we've our we'll".split())
BEHIND_PARTICIPLE = frozenset("by of against under".split())  # "sanctions imposed by"
AUXILIARY = BEING | {"has", "have", "had", "been"}
LAST_WEEK = frozenset("week month".split())
NOT_YET = frozenset(
    "to could may might would should will must can not never if wants cannot won't wouldn't didn't don't "
    "refuses refused threatens threatened unless whether or before until recently newly previously".split()
)
ASIDES = frozenset(
    "who which whose after when since while where despite following accused alleged because that's".split()
)
HEADLINE_ASIDES = frozenset("who which whose accused alleged almost nearly after amid following despite".split())
ATTACKER = frozenset("gunman suspect attacker shooter bomber gunmen suspects attackers".split())
# "Denied him entry" is no denial.
REFUSED = frozenset("him her them us me entry access permission bail".split())
ACTIVE_ONLY = frozenset("accuse condemn announce blame".split())
FELL_BEFORE = frozenset("by in after at on , when during as".split())
# Said of so much that only a headline makes them news.
HEADLINE_ONLY = frozenset(
    "announce rule find fail survive lose settle elect retire testify endorse summon spread accept join".split()
) | {"test positive", "rule out", "lift off", "return"}
# "Voted to impeach him": what is decided so is done when it is told as done.
VOTED = frozenset("vote votes voted agree agrees agreed decide decides decided".split())
# "Is not the first time" corrects nothing.
NO_DENIAL = frozenset("first only last same time end way case answer point best worst kind problem issue".split())


def _table(lines: str, kind: FactKind) -> Iterator[tuple[str, tuple[str, FactKind, frozenset[str]]]]:
    for line in lines.strip().splitlines():
        act, _, rest = line.partition(": ")
        verbs, _, near = rest.partition("; ")
        for verb in verbs.split():
            yield verb, (act, kind, frozenset(near.split()))


VERBS: dict[str, list[tuple[str, FactKind, frozenset[str]]]] = {}
for _verb, _entry in (*_table(TURNS, "reversal"), *_table(ACTS, "statement")):
    VERBS.setdefault(_verb, []).append(_entry)
# By the longest word of each, which is looked for: "the" and "by" stand in every sentence.
PHRASES_BY_WORD: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
for _act, _phrases in PHRASES.items():
    for _phrase in _phrases:
        _words = tuple(_phrase.split())
        _word = "not" if "not" in _words else max(_words, key=len)
        PHRASES_BY_WORD.setdefault(_word, []).append((_act, _words))
# "Senators approve bill": learned from a headline that many do it; told it is when one does.
PLURALS = {entry[0] for entries in VERBS.values() for entry in entries}
KEYWORDS = frozenset({*VERBS, *DECIDED, *PLURALS, *PHRASES_BY_WORD, *BODIES, *ATTACKER})
