"""The words of the forge: names, plain words, and the turns of phrase that people put around a request.

Data only; verbs and objects have files of their own (`verbs.txt`, `domains.txt`). `names.py` draws from the
lists, `realise.py` puts the phrases together.
"""

from __future__ import annotations


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.replace("\n", " ").split(",") if part.strip())


CITIES = _list("""
Berlin, Paris, London, Oslo, Bergen, Madrid, Lisbon, Porto, Rome, Milan, Naples, Vienna, Graz, Zurich,
Geneva, Prague, Brno, Warsaw, Krakow, Budapest, Athens, Dublin, Cork, Glasgow, Leeds, Bristol, Hamburg,
Munich, Cologne, Leipzig, Lyon, Nice, Toulouse, Ghent, Antwerp, Utrecht, Rotterdam, Malmo, Uppsala,
Helsinki, Turku, Riga, Tallinn, Vilnius, Sofia, Zagreb, Split, Belgrade, Istanbul, Ankara, Cairo, Tunis,
Lagos, Accra, Nairobi, Kampala, Cape Town, Mumbai, Delhi, Pune, Chennai, Dhaka, Colombo, Bangkok, Hanoi,
Manila, Jakarta, Seoul, Busan, Tokyo, Osaka, Kyoto, Sydney, Perth, Auckland, Toronto, Montreal, Boston,
Chicago, Denver, Austin, Dallas, Houston, Seattle, Portland, Miami, Atlanta, New York, San Diego, Los
Angeles, Phoenix, Detroit, Havana, Lima, Quito, Bogota, Santiago, Recife, Salvador, Montevideo, Monterrey,
Guadalajara, Reno, Oakland, Fresno, Omaha, Tulsa, Salem, Albany, Buffalo
""")
COUNTRIES = _list("""
Norway, Sweden, Finland, Denmark, Iceland, Ireland, France, Spain, Portugal, Italy, Greece, Turkey, Germany,
Austria, Switzerland, Poland, Hungary, Romania, Bulgaria, Croatia, Serbia, Estonia, Latvia, Ukraine,
Georgia, Egypt, Morocco, Kenya, Ghana, Nigeria, South Africa, India, Nepal, Japan, China, Vietnam, Thailand,
Indonesia, Australia, New Zealand, Canada, Mexico, Cuba, Peru, Chile, Argentina, Brazil, Uruguay, Colombia,
Ecuador
""")
FIRST_NAMES = _list("""
Anna, Ben, Carla, David, Emma, Felix, Grace, Hugo, Ines, Jonas, Karim, Lena, Marco, Nora, Omar, Priya,
Quinn, Rosa, Samir, Tara, Ugo, Vera, Wei, Xenia, Yusuf, Zoe, Aisha, Bruno, Chloe, Diego, Elif, Farid, Greta,
Hana, Ivan, Julia, Kofi, Laura, Mia, Niko, Olga, Pablo, Rita, Sven, Tom, Uma, Victor, Wendy, Yara, Zane,
Amir, Beth, Colin, Dora, Erik, Fiona, George, Helen, Ibrahim, Jane, Kate, Liam, Maya, Noah, Oscar, Paula,
Ravi, Sara, Theo, Alice, Bob, Carlos
""")
LAST_NAMES = _list("""
Smith, Jones, Garcia, Muller, Rossi, Silva, Kim, Chen, Patel, Khan, Novak, Kowalski, Hansen, Larsen, Dubois,
Moreau, Fischer, Weber, Ito, Sato, Nguyen, Tran, Ali, Hassan, Okafor, Mensah, Cohen, Levi, Ivanova, Petrov,
Costa, Lopez, Martin, Baker, Cooper, Reed, Stone, Young, Hill, Brooks, Ward, Murphy, Kelly, Byrne, Lindgren,
Virtanen, Horvat
""")
WORDS = _list("""
amber, anchor, apple, arrow, atlas, autumn, basket, beacon, birch, blanket, blossom, border, bottle, breeze,
bridge, bronze, brush, bubble, button, cabin, cactus, candle, canvas, canyon, carbon, castle, cedar, chalk,
cherry, circle, cliff, clover, cloud, cobalt, comet, copper, coral, corner, cotton, crystal, dawn, delta,
desert, diamond, dragon, dream, drift, eagle, earth, echo, ember, engine, falcon, feather, fern, field,
flame, flint, forest, fossil, frost, garden, ginger, glacier, glass, gold, granite, grove, harbor, hazel,
hedge, helmet, honey, horizon, ink, island, ivory, jade, jungle, kernel, kettle, ladder, lagoon, lantern,
laurel, leaf, lemon, lily, linen, lotus, lunar, magnet, maple, marble, meadow, mint, mirror, mist, moon,
moss, nectar, needle, nest, night, oak, ocean, olive, onyx, opal, orbit, orchid, otter, paper, pebble,
pepper, pine, pixel, planet, plum, pocket, prism, quartz, rabbit, rain, raven, reef, ribbon, ridge, river,
rocket, root, rose, ruby, saddle, sage, sail, salt, sand, shadow, shell, shore, signal, silk, silver, sky,
slate, smoke, snow, solar, spark, spice, spiral, spring, star, steel, stone, storm, stream, summit, sun,
swan, temple, thistle, thunder, tide, timber, tower, trail, tulip, tunnel, valley, vapor, velvet, violet,
wagon, walnut, water, wave, whale, wheat, willow, wind, winter, wolf, wood, zenith, zephyr, budget, report,
release, launch, draft, final, internal, urgent, backup, archive, holiday, family, client, training,
payment, timeout, login, refund
""")
ADJECTIVES = _list("""
small, big, red, blue, green, old, new, quiet, loud, bright, dark, silent, golden, broken, happy, lonely,
wild, calm, hidden, frozen, early, late, cheap, heavy, light, soft, strong, clever, gentle, rusty, foldable,
wireless, wooden, electric, portable, waterproof, modern, vintage, organic, annual, weekly, public, private,
secret, endless, crooked
""")
THINGS = _list("""
fox, house, river, mountain, garden, mirror, train, island, letter, window, road, ship, key, tree, bird,
machine, market, bakery, budget, contract, report, meeting, printer, laptop, invoice, website, parcel,
kitchen, roof, bicycle, engine, camera, battery, sensor, network, museum, school, airport, harbor, festival,
workshop, interview, deadline, newsletter, proposal, project, server, password, heater, elevator, door,
table, lamp, chair, phone, river, storm
""")
TOPICS = _list("""
electric cars, climate change, interest rates, space travel, machine learning, gardening, chess openings,
inflation, football transfers, renewable energy, cooking, photography, modern art, the stock market, sleep,
nutrition, bees, public transport, data privacy, volcanoes, jazz history, urban planning, robotics, ancient
Rome, genetics, knitting, world cup, remote work, coral reefs, black holes, linear algebra, marketing,
python programming, first aid, poetry
""")
INGREDIENTS = _list("""
chicken, tofu, lentils, rice, spinach, salmon, potato, tomato, mushrooms, zucchini, chickpeas, beef, eggs,
feta, carrots, broccoli, quinoa, pumpkin, leeks, apples, walnuts, garlic, coconut milk, pasta, peas,
beetroot, banana, oats, avocado, cheddar, prawns, eggplant, kale, ginger, basil
""")
DISH_WORDS = _list(
    "soup, stew, curry, salad, pie, risotto, wrap, bowl, gratin, burger, noodles, tacos, pizza, cake"
)
GROCERIES = _list("""
milk, eggs, bread, butter, coffee, tea, rice, pasta, tomatoes, onions, apples, bananas, yogurt, flour,
sugar, salt, cheese, toilet paper, dish soap, orange juice, olive oil, oat milk, cereal, cookies, dog food,
batteries, shampoo
""")
PRODUCTS = _list("""
headphones, desk lamp, backpack, running shoes, coffee maker, keyboard, monitor, tent, water bottle, jacket,
toaster, office chair, phone case, blender, bike helmet, yoga mat, vacuum, rug, sofa, speaker, drill,
kettle, umbrella, puzzle
""")
VENUE_WORDS = _list(
    "Inn, Cafe, House, Grill, Hotel, Kitchen, Lounge, Hall, Lodge, Studio, Garden, Bar, Corner, Suites"
)
PLACE_WORDS = _list(
    "Park, Square, Station, Hills, District, Market, Lake, Campus, Bay, Quarter, Forest, Village"
)
STREET_WORDS = _list("Street, Road, Avenue, Lane, Drive, Way, Boulevard, Square, Court, Alley")
COMPANY_FORMS = _list("Ltd, Inc, GmbH, Corp, Group, Labs, Systems, Partners, Logistics, Foods, AG, LLC")
JOBS = _list("""
engineer, accountant, designer, nurse, product manager, data analyst, electrician, lawyer, teacher,
copywriter, sales manager, developer, recruiter, architect, chef, driver, consultant, translator
""")
JOB_RANKS = ("", "", "", "senior ", "junior ", "lead ")
SKILLS = _list(
    "Python, SQL, Excel, Java, welding, accounting, German, Photoshop, Kubernetes, negotiation, Rust, CAD"
)
LANGUAGES = _list("""
English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Arabic, Hindi, Japanese,
Korean, Chinese, Swedish, Greek
""")
COLORS = _list("red, blue, green, black, white, yellow, purple, orange, grey, pink, brown, navy, teal, beige")
MONTHS = _list(
    "January, February, March, April, May, June, July, August, September, October, November, December"
)
WEEKDAYS = _list("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
CURRENCIES = (
    ("USD", "US dollars"),
    ("EUR", "euros"),
    ("GBP", "British pounds"),
    ("JPY", "yen"),
    ("CHF", "Swiss francs"),
    ("CAD", "Canadian dollars"),
    ("AUD", "Australian dollars"),
    ("INR", "Indian rupees"),
    ("CNY", "Chinese yuan"),
    ("SEK", "Swedish kronor"),
    ("PLN", "Polish zloty"),
    ("BRL", "Brazilian reais"),
)
FORMULAS = _list(
    "H2O, CO2, NaCl, CH4, C6H12O6, H2SO4, NH3, CaCO3, C2H5OH, HCl, NaOH, Fe2O3, KMnO4, C8H10N4O2"
)
ELEMENTS = _list("H, C, N, O, Na, K, Ca, Mg, Cl, S, P, Fe, Cu, Zn, Al, Si")
SUBJECTS = _list("""
broken {a}, {a} not working, question about the {a}, new {a} for the {b}, {w} {a} review, plan for the {a},
{a} and {b}, the {w} {a}, {x} update, missing {a}, cannot open the {a}, {w} rollout, notes on {x}, {a} is
too slow
""")
NOTES = tuple(
    part.strip()
    for part in """
running {n} minutes late | please bring the {a} | the {a} is {j} again | see you at the {b} | happy birthday
{p} | call me when you are in {c} | the {a} arrived but the {b} is missing | {p} will pick up the {a} | no
{a} please | leave it at the {b} | need {n} more of them | the {j} one with the {a} | thanks for the {a} | I
lost the {a} near {c} | it makes a {j} noise after {n} minutes | ask {p} about the {a} | door code is {n}{n}
| do not ring the bell | we moved the {a} to {c} | {x} does not answer | check the {j} {a} first | the {a}
stopped working yesterday | meet at {n} {x} street | everything went fine | the {b} fell on the {a} | keep
the {a} {j} | version {n} of {x} is out | see attached {a} | waiting for {p} | great work on the {a} |
window seat if possible | allergic to nuts
""".replace("\n", " ").split("|")
)
TODOS = tuple(
    part.strip()
    for part in """
buy {g} | call {p} | fix the {a} | water the plants | email {p} about the {a} | pay the rent | clean the {a}
| book the {a} | pick up {p} | take out the trash | renew the {a} | feed the cat | send the {a} to {p} |
charge the {a} | read about {x} | return the {a} | buy a gift for {p} | check the {a} | cancel {x} | get {g}
and {g}
""".replace("\n", " ").split("|")
)

# --- phrasing -------------------------------------------------------------------------------------------

_FRAMES = (
    *("{v} {n}",) * 8,
    *("please {v} {n}", "can you {v} {n}?", "could you {v} {n}?", "I want to {v} {n}", "I need to {v} {n}")
    * 2,
    *("I'd like to {v} {n}", "I would like to {v} {n}", "{v} {n} please", "{v} {n} for me") * 2,
    *(
        "can you please {v} {n}?",
        "could you {v} {n} for me?",
        "could you please {v} {n}",
        "would you {v} {n}?",
    ),
    *(
        "help me {v} {n}",
        "I have to {v} {n}",
        "let's {v} {n}",
        "go ahead and {v} {n}",
        "I must {v} {n} today",
    ),
    *("I was hoping you could {v} {n}", "is it possible to {v} {n}?", "you should {v} {n} for me"),
    *("we need to {v} {n}", "time to {v} {n}", "I'd love to {v} {n}", "I am trying to {v} {n}"),
    *(
        "mind helping me {v} {n}?",
        "I think it's best to {v} {n}",
        "my boss asked me to {v} {n}",
        "can I {v} {n}?",
    ),
    *("how about you {v} {n}", "next, {v} {n}", "quickly {v} {n}", "just {v} {n}", "next up: {v} {n}"),
    *(
        "will you help me {v} {n}?",
        "are you able to {v} {n}?",
        "I'm hoping to {v} {n}",
        "I am planning to {v} {n}",
    ),
    *("what I need is to {v} {n}", "your job: {v} {n}", "do me a favor and {v} {n}", "go {v} {n}"),
    *(
        "I'm supposed to {v} {n}",
        "it would be nice to {v} {n}",
        "please help me to {v} {n}",
        "we'd like to {v} {n}",
    ),
)
_SELF = (
    "I ",
    "I'",
    "we",
    "time",
    "let's",
    "help me",
    "mind",
    "my ",
    "is it",
    "can I",
    "it ",
    "what I",
    "will you help",
)
FRAMES = tuple((f, f.startswith(_SELF) or "help" in f or "for me" in f) for f in _FRAMES)
"""Ways to put a request, and whether it is the speaker who acts: then "show me" does not fit."""
OPENERS = (
    *("hi", "hello", "hey", "hey there", "good morning", "ok", "alright", "so", "well", "right", "um", "hmm"),
    *("thanks", "great", "good evening", "one more thing", "quick one", "listen", "yes", "cool", "please"),
)
CONTEXTS = (
    *(
        "My sister is visiting.",
        "I'm in a hurry.",
        "It's our anniversary.",
        "Long day today.",
        "I'm new here.",
    ),
    *("We have guests soon.", "I just got back from a trip.", "The kids are asleep.", "My boss is waiting."),
    *(
        "I talked to {p} about this.",
        "{p} asked me for it.",
        "I can't find it myself.",
        "Not sure you can do this.",
    ),
    *(
        "My {a} is broken, by the way.",
        "I had no time yesterday.",
        "This is for a friend.",
        "Money is tight.",
    ),
    *(
        "I tried the website, no luck.",
        "It's about the {a}.",
        "We spoke last week.",
        "I almost forgot.",
        "Sorry to bother you.",
    ),
)
AFTERS = (
    *(
        "Thanks!",
        "Thank you.",
        "Thanks in advance.",
        "That would be great.",
        "It's urgent.",
        "No rush.",
        "Cheers",
    ),
    *("Let me know.", "If possible.", "Tell me when it's done.", "I appreciate it."),
)
BARE = ("{label} {}", "{label}: {}", "with {label} {}", "and {label} {}", "({label} {})", "{label} = {}")
KIND_CLAUSES = {
    "date": (
        "It's for {}.",
        "{} would suit me.",
        "I'm thinking of {}.",
        "{} if possible.",
        "It has to be {}.",
    ),
    "time": ("{} would be good.", "Around {}.", "Let's say {}.", "It should be at {}.", "{} works for me."),
    "people": ("We are {}.", "It's for {}.", "There will be {}."),
    "money": ("My limit is {}.", "Let's say {}.", "That's {}.", "{} is what I have in mind."),
    "city": ("I'm in {}.", "{}, to be exact.", "That's {}.", "We're talking about {}."),
    "person": ("The name is {}.", "It's {}.", "Name: {}."),
    "code": ("The number is {}.", "It's {}.", "Here is the number: {}.", "Reference {}."),
    "text": ('Please add: "{}".', "Note: {}.", "Write that {}."),
}
CLAUSES = (
    *(
        "The {label} is {}.",
        "{Label}: {}.",
        "The {label} should be {}.",
        "Use {} as the {label}.",
        "{Label} {}.",
    ),
    *("For the {label}, take {}.", "Make the {label} {}.", "My {label} is {}.", "As {label}, {}."),
)
GENERIC_SENTENCES = (
    "I want it {}.",
    "It should be {}.",
    "Make it {}.",
    "That's {}.",
    "{}, please.",
    "{} if you can.",
)

THANKS = (
    *(
        "thanks",
        "thank you",
        "thanks a lot",
        "great, thanks!",
        "perfect, thank you",
        "ok thanks",
        "cheers",
        "awesome",
    ),
    *(
        "That's all for now.",
        "That is all, thanks.",
        "Nice, that helps.",
        "Okay, good to know.",
        "Wonderful!",
    ),
    *(
        "No, that's everything.",
        "nothing else, thanks",
        "I'm good for now",
        "bye!",
        "Thanks, have a nice day.",
    ),
)
WELCOMES = (
    *("You're welcome!", "Happy to help.", "Glad to help!", "Any time.", "My pleasure.", "Have a nice day!"),
    *("Great, let me know if you need anything else.", "You're welcome, have a good one!", "Enjoy!"),
)
GREETINGS = (
    ("hi", "Hi! How can I help?"),
    ("hello", "Hello! What can I do for you?"),
    ("hey there", "Hey! What do you need?"),
    ("good morning", "Good morning! How can I help?"),
    ("Good evening.", "Good evening! What can I do for you?"),
    ("are you there?", "Yes, I'm here. What do you need?"),
    ("how are you?", "I'm fine, thanks! What can I do for you?"),
    ("who are you?", "I'm your assistant. I can use a few tools for you."),
    ("I'm bored.", "Sorry to hear that! Want me to look something up?"),
    ("you are great", "Thank you, that's kind!"),
    ("I had a terrible day.", "I'm sorry to hear that. I hope tomorrow is better."),
    ("wait a moment", "Sure, take your time."),
    ("never mind", "No problem."),
    ("forget it", "Okay, I'll leave it."),
    ("haha that was funny", "Glad you liked it!"),
    ("let me think about it", "Of course, take your time."),
    ("I'm so excited!", "That's great to hear!"),
    ("sorry for all the questions", "No problem at all, ask away."),
)
CHAT = (
    ("What is two plus two?", "Two plus two is four."),
    ("Do you like {a}s?", "I have no taste of my own, but many people like them."),
    ("Write one sentence about a {a}.", "The {j} {a} waited in the rain."),
    ("What's the opposite of big?", "Small."),
    ("How many days are in a week?", "Seven."),
    ("Give me a rhyme for cat.", "Hat."),
    ("What do you think about {t}?", "It's an interesting subject with more than one side."),
    ("Is a {a} an animal?", "That depends on the {a}!"),
    ("Spell {x} backwards.", "It is {X}."),
    ("Write {x} three times.", "Here: {x} {x} {x}"),
    ("Which word is longer, {w} or {x}?", "I'd have to count; both are nice words."),
    ("Repeat after me: {x} {w}", "Sure: {x} {w}"),
    ("What colour is the sky?", "Blue, on a clear day."),
    ("Name a word that starts with {l}.", "How about {lw}?"),
    ("Translate nothing, just say {w}.", "Okay: {w}"),
    ("Do not call anything, just say {x}.", "Okay: {x}"),
    ("What rhymes with {w}?", "I can't think of a good rhyme for {w}."),
    ("Is {p} a nice name?", "I think {p} is a lovely name."),
    ("I like {t}.", "Nice! What do you like most about it?"),
    ("My favourite colour is {c}.", "{C} is a good choice."),
    ("Explain in one sentence what a {a} is for.", "A {a} makes daily life a little easier."),
    ("Who wrote your code?", "People who like small tools."),
    ("Tell me a secret about {t}.", "I know no secrets about it, sorry."),
    ("Say hello to {p}.", "Hello, {p}!"),
    ("How do I say thanks politely?", 'You can say "Thank you very much".'),
    ("How many minutes are in an hour?", "Sixty."),
    (
        "Should I be nervous about my interview?",
        "A little is normal. Prepare a few answers and you'll be fine.",
    ),
    ("What makes a good {a}?", "It does its job and lasts long."),
    ("Tell me something nice.", "You're doing better than you think."),
    ("What can you do for me here?", "{caps}"),
    ("Which tools do you have?", "{caps}"),
    ("can you help me with something?", "Sure. {caps}"),
)

ASIDES = (
    *("what's {}?", "what is {}?", "and {}?", "can you tell me {}?", "{}?", "tell me {}", "do you have {}?"),
    *("give me {} please", "I'd like to know {}", "what about {}?", "and what's {}?", "could I get {}?"),
)
UNTOLD = (
    *("The result does not say the {l}.", "I don't have the {l}, sorry.", "It does not list the {l}."),
    *("Sorry, the {l} was not given.", "I don't know the {l}."),
)
PICKS = (
    *("ok, {}", "great, {}", "sounds good, {}", "yes, {}", "perfect. {} please", "please {}", "I want to {}"),
    *("that works. {}", "can you {}?", "alright then, {}", "I'd like to {}", "nice, {}"),
)
OTHERS = (
    *(
        "anything else?",
        "what else is there?",
        "do you have another one?",
        "no, show me another",
        "any other option?",
    ),
    *("not that one, what's next?", "hmm, something else?", "and the next one?", "I don't like it. Others?"),
)
HALVES = (
    *("I can't {v} the {n}, though.", "I have no tool to {v} the {n}.", "For the {n} I have no tool."),
    *("The {n} I can't do, sorry.", "I could not {v} the {n}; no tool for that."),
)
LOOKUPS = (
    *("Use the {l} of the {n} {}.", "The {l} is that of {n} {}.", "Take the {l} from the {n} {}."),
    *("You'll find the {l} with the {n} {}.", "I don't know the {l}; look at the {n} {}."),
    *("The {l}: see the {n} {}.", "Get the {l} from {n} {} first."),
)
PROFILES = (
    "The user's {l} is {v}.",
    "User {l}: {v}.",
    "{l}: {v}.",
    "The {l} of the user is {v}.",
    "You know the {l}: {v}.",
)
HOLDS = (
    *("don't {v} any {n} yet", "please do not {v} the {n}", "wait, don't {v} the {n} for now"),
    *("I might {v} a {n} later, not now", "maybe I will {v} a {n} tomorrow, do nothing yet"),
)
NEEDED = (
    *(
        "what do you need to {v} a {n}?",
        "what must I tell you to {v} a {n}?",
        "which details do you need to {v} a {n}?",
    ),
    *("if I wanted to {v} a {n}, what would you need?",),
)
YES = (
    *("yes", "yes please", "yep", "correct", "sure, go ahead", "that's right", "ok", "Yes, that is correct."),
    *(
        "sounds good",
        "confirmed",
        "do it",
        "please do",
        "y",
        "right",
        "perfect, yes",
        "that's fine",
        "go for it",
    ),
)
NO = ("no", "no, stop", "wait, don't", "no, I changed my mind", "nope", "better not", "no, leave it")
LEFT_ALONE = (
    "Okay, I won't.",
    "All right, nothing was done.",
    "Okay, I leave it as it is.",
    "Sure, I won't do anything.",
)
STATES = (
    *("active", "open", "pending", "in progress", "closed", "on its way", "offline", "running", "delayed"),
    *("ready", "idle", "cancelled", "approved"),
)
PASSING = (
    ("timeout, try again", "timeout"),
    ("service temporarily unavailable", "the service is unavailable"),
    ("503: temporarily overloaded", "it is overloaded"),
    ("rate limit exceeded, retry in 1s", "too many requests"),
    ("connection reset, please retry", "the connection was reset"),
    ("temporary failure", "a temporary failure"),
    ("busy, retry later", "it is busy"),
)
LASTING = (
    ("not found", "it was not found"),
    ("permission denied", "permission was denied"),
    ("already closed", "it is already closed"),
    ("invalid request", "the request was rejected as invalid"),
    ("sold out", "it is sold out"),
    ("account locked", "the account is locked"),
    ("not available for this date", "that date is not available"),
    ("payment required", "a payment is required first"),
    ("internal server error", "the service had an internal error"),
    ("quota exceeded", "the quota is used up"),
    ("401 unauthorized", "I am not authorized"),
    ("conflict: already exists", "it already exists"),
    ("feature disabled", "the feature is disabled"),
)
REJECTED = (
    *(
        "The {l} {v} was not accepted. Is it right?",
        "That failed: the {l} {v} is unknown. Do you have another?",
    ),
    *(
        "I got an error: {l} {v} is not valid.",
        "The service does not know the {l} {v}. Which one should I use?",
    ),
)
FAILED = (
    *("That did not work: {w}.", "I could not {v} the {n}: {w}.", "Sorry, {w}, so nothing was done."),
    *("The tool failed: {e}.", "It failed because {w}.", "I tried, but {w}."),
)
GIVEN_UP = (
    *("That failed twice: {w}. Please try later.", "Sorry, it does not work now ({w})."),
    *("I tried twice without success: {w}.",),
)

SYSTEMS = (
    *("You are a helpful assistant.", "Help the user with the tools.", "You can call tools.", "Be brief."),
    *("You are the assistant of {b}.", "Use the tools where they fit.", "You work for {b}. Be polite."),
    *(
        "Answer shortly and use tools when needed.",
        "You are {x}, a voice assistant.",
        "Never guess missing values.",
    ),
)
TODAYS = (
    *("Today is {d}.", "Today's date is {d}.", "Current date: {d}.", "The date is {d}.", "It is {d} today."),
    *("Now: {d}", "[date: {d}]"),
)
CONFIRM_RULES = (
    *("Confirm with the user before any change.", "Ask for confirmation before you write anything."),
    *(
        "Always repeat the details and ask before booking or changing something.",
        "Confirm every action first.",
    ),
)
