"""Words around the names of places and actors: which are no names, and which tell that a place follows."""

from consumers.words import FUNCTION_WORDS, stem

# Words that names are made with and that name nobody alone; what outlets, pages and calendars are called.
GENERIC = frozenset(
    "mr mrs ms miss dr sir lady lord president vice prime minister ministry secretary chancellor king queen "
    "prince princess pope governor mayor senator sen rep representative congressman congresswoman speaker "
    "chairman chairwoman chief executive director head leader former deputy acting general colonel captain "
    "major sergeant officer police judge justice court prosecutor attorney sheriff detective inspector "
    "commissioner spokesman spokeswoman spokesperson professor reverend rev gen col lt capt sgt gov pres prof "
    "jr sr st ambassador envoy supreme high federal national international central united state states city "
    "town village county province provincial district region regional island islands river lake mountain "
    "mountains valley sea ocean gulf bay cape coast airport port road street avenue square bridge north south "
    "east west northern southern eastern western northeast northwest southeast southwest new old great upper "
    "lower middle the republic kingdom department agency authority authorities commission committee council "
    "board bureau office service parliament assembly congress senate house cabinet government army navy force "
    "forces guard military party union university college school hospital institute center centre museum "
    "church mosque company group inc ltd corp co plc bank foundation association organization organisation "
    "society club team world monday tuesday wednesday thursday friday saturday sunday january february march "
    "april may june july august september october november december jan feb mar apr jun jul aug sep sept oct "
    "nov dec today yesterday tomorrow fla calif ala ariz ark colo conn ga ill ind kan ky mass md mich minn "
    "miss mo mont neb nev okla ore pa tenn tex va wash wis wyo dc hollywood agencies caption hide show shows "
    "wire magazine time radio television tv network channel christmas easter ramadan est gmt utc edt pst pdt "
    "reuters associated press ap afp cnn bbc fox nbc abc cbs npr msnbc bloomberg guardian times post news "
    "journal politico axios herald tribune gazette telegraph xinhua upi dpa twitter facebook instagram "
    "youtube getty photo image images video file editor reporting writing share advertisement read more "
    "related updated published copyright correction breaking exclusive live update watch opinion analysis "
    "interview poll survey report god internet web english act bill law amendment constitution war democrat "
    "democrats republican republicans gop democratic liberal conservative labour left right black white "
    "muslim muslims christian christians jewish jews islamic islamist catholic americans tv dna covid ceo cfo "
    "hq id ok pm am gdp officials official members member representatives applications conference confirmation "
    "hearing hearings surgeon drugmaker drugmakers earth math minority majority sens reps sun moon mars "
    "outlines exclusive staffer pal backer critic supporter supporters "
    "breaking update updated read video photo listen editor reporter staff correspondent contributor i ii iii "
    "iv".split()
)
# Behind the last of them stands who bears it; nothing behind, and nobody is named.
TITLES = frozenset(
    "president minister secretary chancellor governor mayor senator sen rep representative congressman "
    "congresswoman speaker leader chairman chairwoman director ceo cfo gov judge justice sheriff commissioner "
    "spokesman spokeswoman ambassador da attorney".split()
)
NO_NAME = FUNCTION_WORDS | frozenset(
    "i me nobody everyone someone everything nothing yes no nor yet still here some many several most two "
    "three four five six seven eight nine ten eleven twelve fifteen eighteen twenty close watch more photos um "
    "obviously dozens hundreds thousands first last next another few none thousands meanwhile however "
    "although though despite since police according like unlike even just now only also among amid your let "
    "thank thanks hi hello oh well ahead once perhaps maybe say says said asked".split()
)
PLACE_BEFORE = frozenset("in near outside inside around across off throughout beyond".split())
MOVED_BEFORE = frozenset(
    "to into toward towards from at hit hits struck strike strikes reached reaches leave leaves left entered "
    "bombed bomb bombs threatens threatened batters battered pounds pounded approaches nears".split()
)
MOVES = frozenset(
    "spread spreads spreading spilled move moved moves moving expanded extended advanced flee flees fled shut reached "
    "flown flies flew deported extradited exiled transferred relocated".split()
)
SORTS = frozenset("city town village port province district region island capital suburb county state".split())
PLACE_AFTER = frozenset("province district city town airport region county valley island street road square".split())
LINKS = frozenset("of de del di da al el bin ibn van von la le the for".split())
# Two people may share one of these.
GIVEN = frozenset(
    map(
        stem,
        "james robert john michael david william richard joseph thomas charles christopher daniel matthew "
        "anthony mark donald steven paul andrew joshua kenneth kevin brian george timothy ronald edward jason "
        "jeffrey ryan jacob gary nicholas eric jonathan stephen larry justin scott brandon benjamin samuel "
        "gregory frank alexander patrick raymond jack dennis jerry tyler aaron jose adam nathan henry peter "
        "zachary kyle noah ethan jeremy walter christian keith roger terry austin sean gerald carl harold "
        "dylan arthur lawrence jordan jesse bryan billy bruce gabriel joe logan alan juan albert willie wayne "
        "randy philip harry vincent bobby johnny bradley simon martin mary patricia jennifer linda elizabeth "
        "barbara susan jessica sarah karen lisa nancy betty sandra margaret ashley kimberly emily donna "
        "michelle carol amanda melissa deborah stephanie rebecca laura helen sharon cynthia kathleen amy "
        "angela anna ruth brenda pamela nicole katherine virginia catherine christine samantha debra janet "
        "carolyn rachel heather maria diane emma julie joyce evelyn kelly christina joan victoria lauren "
        "olivia martha jane mohammed mohammad muhammad mohamed ahmed ahmad ali hassan hussein omar abdul "
        "abdullah ibrahim mahmoud khalid yusuf mustafa vladimir sergei alexei dmitry ivan igor andrei mikhail "
        "oleg jean pierre jacques francois hans karl klaus giovanni marco antonio carlos luis miguel jorge "
        "pedro francisco manuel kim lee park li wang bill bob jim mike tom tim dan ben sam chris nick matt "
        "steve ted tony greg jeff ken ron don ray elena".split(),
    )
)
