"""States, and a few territories that are in the news, by all the names that an article says them with.

One line each: names; adjectives and people; capitals; hints. A *hint* only tells that an article may speak of the
nation: cities, seats of power, armed groups, and names that are also something else (Georgia, Jordan, Washington).
What is only a hint in a query asks for nothing. Names of persons are left out: they change.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from consumers.runs import by_run

_TABLE = """
Afghanistan; Afghan, Afghans; Kabul; Taliban, Kandahar, Helmand, Kunduz, Jalalabad
Albania; Albanian, Albanians; Tirana
Algeria; Algerian, Algerians; Algiers
Andorra; Andorran
Angola; Angolan, Angolans; Luanda; Cabinda
Argentina; Argentine, Argentinian, Argentines, Argentinians; Buenos Aires
Armenia; Armenian, Armenians; Yerevan
Australia; Australian, Australians, Aussie, Aussies; Canberra; Sydney, Melbourne, Queensland, Brisbane, Perth
Austria; Austrian, Austrians; Vienna; Graz, Salzburg
Azerbaijan; Azerbaijani, Azerbaijanis, Azeri; Baku; Nagorno-Karabakh, Karabakh
Bahamas; Bahamian; Nassau
Bahrain; Bahraini, Bahrainis; Manama
Bangladesh; Bangladeshi, Bangladeshis; Dhaka; Bengali, Rohingya, Chittagong
Barbados; Barbadian; ; Bridgetown
Belarus; Belarusian, Belarusians, Belarussian; Minsk
Belgium; Belgian, Belgians; ; Brussels, Antwerp, Flemish, Flanders
Belize; Belizean
Benin; Beninese; Porto-Novo; Cotonou
Bermuda; Bermudian
Bhutan; Bhutanese; Thimphu
Bolivia; Bolivian, Bolivians; La Paz; Sucre
Bosnia, Bosnia and Herzegovina; Bosnian, Bosnians; Sarajevo; Serb, Srebrenica
Botswana; ; Gaborone; Batswana
Brazil; Brazilian, Brazilians; Brasilia, Brasília; Rio de Janeiro, Sao Paulo, São Paulo, Amazon, Rio
Britain, United Kingdom, UK, Great Britain, England; British, Briton, Britons, Brits; London; Downing Street, \
Westminster, Whitehall, Scotland, Scottish, Wales, Welsh, English, Northern Ireland, Belfast, Manchester, Tory, \
Tories, Buckingham Palace, Brexit, Birmingham, Edinburgh, Glasgow, Liverpool
Brunei; Bruneian
Bulgaria; Bulgarian, Bulgarians; Sofia
Burkina Faso; Burkinabe; Ouagadougou
Burundi; Burundian; Bujumbura
Cambodia; Cambodian, Cambodians; Phnom Penh; Khmer
Cameroon; Cameroonian, Cameroonians; Yaounde
Canada; Canadian, Canadians; Ottawa; Ontario, Quebec, Toronto, Montreal, Alberta, Vancouver, British Columbia, \
Calgary
Cape Verde; Cape Verdean; ; Praia
Catalonia; Catalan, Catalans; ; Barcelona
Central African Republic; ; Bangui
Chad; Chadian, Chadians; N'Djamena
Chile; Chilean, Chileans; ; Santiago
China; Chinese; Beijing; Shanghai, Wuhan, Hong Kong, Xinjiang, Tibet, Tibetan, Uighur, Uyghur, Macau, Guangdong, \
Shenzhen, Peking, Hubei, Sichuan, Guangzhou
Colombia; Colombian, Colombians; Bogota, Bogotá; FARC, Medellin, Cali
Comoros; Comorian
Congo; Congolese; Kinshasa; DRC, Brazzaville, Goma, Kivu
Costa Rica; Costa Rican, Costa Ricans; ; San Jose
Crimea; Crimean; ; Sevastopol
Croatia; Croatian, Croatians, Croat; Zagreb
Cuba; Cuban, Cubans; Havana; Guantanamo
Cyprus; Cypriot, Cypriots; Nicosia
Czech Republic, Czechia; Czech, Czechs; Prague
Denmark; Danish, Dane, Danes; Copenhagen; Greenland, Faroe
Djibouti; Djiboutian
Dominica; ; ; Dominican, Roseau
Dominican Republic; ; Santo Domingo; Dominican, Dominicans
East Timor, Timor-Leste; Timorese; Dili
Ecuador; Ecuadorean, Ecuadorian, Ecuadoreans, Ecuadorians; Quito; Guayaquil, Galapagos
Egypt; Egyptian, Egyptians; Cairo; Sinai, Suez, Alexandria
El Salvador; Salvadoran, Salvadorans; San Salvador
Equatorial Guinea; Equatoguinean; Malabo
Eritrea; Eritrean, Eritreans; Asmara
Estonia; Estonian, Estonians; Tallinn
Eswatini, Swaziland; Swazi; Mbabane
Ethiopia; Ethiopian, Ethiopians; Addis Ababa; Tigray, Tigrayan, Amhara
European Union, EU; European, Europeans; ; Europe, Brussels, European Commission, Strasbourg, Eurozone, ECB, \
European Parliament, European Central Bank, euro
Fiji; Fijian, Fijians; Suva
Finland; Finnish, Finn, Finns; Helsinki; Nokia
France; French, Frenchman, Frenchmen; Paris; Elysee, Élysée, Marseille, Lyon, Nice, Strasbourg, Toulouse, Corsica
Gabon; Gabonese; Libreville
Gambia; Gambian, Gambians; Banjul
Gaza, Gaza Strip; Gazan, Gazans; Gaza City; Palestinian, Palestinians, Hamas, Rafah, Khan Younis, Islamic Jihad, \
Jabalia, Deir
Georgia; Georgian, Georgians; Tbilisi; South Ossetia, Abkhazia
Germany, West Germany; German, Germans, West German; Berlin; Bonn, Bundestag, Bundesbank, Frankfurt, Munich, \
Hamburg, Bavaria, Cologne, Bundeswehr, Hanau
Ghana; Ghanaian, Ghanaians; Accra
Greece; Greek, Greeks; Athens; Lesbos, Thessaloniki, Crete
Greenland; Greenlandic, Greenlander, Greenlanders; Nuuk; Danish, Denmark
Grenada; Grenadian
Guatemala; Guatemalan, Guatemalans; Guatemala City
Guinea; Guinean, Guineans; Conakry
Guinea-Bissau; ; Bissau
Guyana; Guyanese; ; Georgetown
Haiti; Haitian, Haitians; Port-au-Prince
Honduras; Honduran, Hondurans; Tegucigalpa
Hong Kong; Hong Konger, Hong Kongers; ; Kowloon
Hungary; Hungarian, Hungarians; Budapest
Iceland; Icelandic, Icelander, Icelanders; Reykjavik
India; Indian, Indians; New Delhi, Delhi; Mumbai, Kashmir, Kerala, Bombay, Kolkata, Punjab, Gujarat, Bengaluru, \
Chennai, Assam, Uttar Pradesh, Bihar, Maharashtra
Indonesia; Indonesian, Indonesians; Jakarta; Bali, Java, Sumatra, Aceh, Sulawesi, Lombok
Iran; Iranian, Iranians; Tehran, Teheran; Persian, Revolutionary Guard, Revolutionary Guards, Isfahan, Natanz, \
Hormuz
Iraq; Iraqi, Iraqis; Baghdad; Mosul, Basra, Kurdistan, Erbil, Fallujah, Kirkuk
Ireland; Irish, Irishman; Dublin; Sinn Fein, Northern Ireland
Israel; Israeli, Israelis; Tel Aviv; Jerusalem, IDF, Knesset, Mossad, Haifa, Golan, West Bank, Jewish, Zionist
Italy; Italian, Italians; Rome; Milan, Sicily, Venice, Naples, Lampedusa, Turin, Genoa, Tuscany
Ivory Coast, Cote d'Ivoire, Côte d'Ivoire; Ivorian, Ivorians; Abidjan; Yamoussoukro
Jamaica; Jamaican, Jamaicans; ; Kingston
Japan; Japanese; Tokyo; Hokkaido, Osaka, Okinawa, Fukushima, Kyoto, Hiroshima, Honshu, Noto, Nikkei
Jordan; Jordanian, Jordanians; Amman; Hashemite
Kazakhstan; Kazakh, Kazakhs; Astana; Almaty
Kenya; Kenyan, Kenyans; Nairobi; Mombasa
Kosovo; Kosovan, Kosovar, Kosovars; Pristina
Kuwait; Kuwaiti, Kuwaitis; Kuwait City
Kyrgyzstan; Kyrgyz; Bishkek
Laos; Laotian, Laotians; Vientiane; Lao
Latvia; Latvian, Latvians; Riga
Lebanon; Lebanese; Beirut; Hezbollah, Hizbollah, Hizbullah
Lesotho; Basotho; Maseru
Liberia; Liberian, Liberians; Monrovia
Libya; Libyan, Libyans; ; Tripoli, Benghazi, Misrata, Sirte
Liechtenstein; Liechtensteiner; Vaduz
Lithuania; Lithuanian, Lithuanians; Vilnius
Luxembourg; Luxembourger
Macedonia, North Macedonia; Macedonian, Macedonians; Skopje
Madagascar; Malagasy; Antananarivo
Malawi; Malawian, Malawians; Lilongwe
Malaysia; Malaysian, Malaysians; Kuala Lumpur; Malay, Penang, Sabah
Maldives; Maldivian, Maldivians; ; Male
Mali; Malian, Malians; Bamako; Timbuktu, Sahel
Malta; Maltese; Valletta
Marshall Islands; Marshallese
Mauritania; Mauritanian; Nouakchott
Mauritius; Mauritian; Port Louis
Mexico; Mexican, Mexicans; Mexico City; Tijuana, Sinaloa, Juarez, Cancun, Acapulco, Oaxaca
Micronesia; Micronesian
Moldova; Moldovan, Moldovans; Chisinau; Transnistria
Monaco; Monegasque
Mongolia; Mongolian, Mongolians; Ulaanbaatar, Ulan Bator
Montenegro; Montenegrin, Montenegrins; Podgorica
Morocco; Moroccan, Moroccans; Rabat; Marrakech, Casablanca
Mozambique; Mozambican, Mozambicans; Maputo; Cabo Delgado, Beira
Myanmar, Burma; Burmese; Naypyidaw, Naypyitaw; Yangon, Rangoon, Rohingya, Rakhine
Namibia; Namibian, Namibians; Windhoek
Nauru; Nauruan
Nepal; Nepali, Nepalese, Nepalis; Kathmandu; Everest, Himalaya, Himalayas
Netherlands; Dutch, Dutchman; Amsterdam; Holland, Hague, Rotterdam
New Caledonia; ; Noumea; Kanak
New Zealand; New Zealander, New Zealanders; ; Wellington, Auckland, Christchurch, Kiwi
Nicaragua; Nicaraguan, Nicaraguans; Managua; Sandinista
Niger; Nigerien; Niamey; Sahel
Nigeria; Nigerian, Nigerians; Abuja; Lagos, Boko Haram, Biafra, Borno
North Korea, DPRK; North Korean, North Koreans; Pyongyang; Korea, Korean, Koreans, NK, Yongbyon
Norway; Norwegian, Norwegians; Oslo
Oman; Omani, Omanis; ; Muscat
Pakistan; Pakistani, Pakistanis; Islamabad; Karachi, Lahore, Peshawar, Kashmir, Punjab, Sindh, Balochistan
Palestine; Palestinian, Palestinians; ; Gaza, Gazan, Gazans, Gaza Strip, Gaza City, West Bank, Hamas, Rafah, \
Ramallah, Khan Younis, Jenin, Fatah, Islamic Jihad, Jabalia, Deir
Panama; Panamanian, Panamanians; Panama City
Papua New Guinea; Papua New Guinean; Port Moresby; Bougainville
Paraguay; Paraguayan, Paraguayans; ; Asuncion
Peru; Peruvian, Peruvians; ; Lima, Cusco
Philippines; Filipino, Filipinos, Philippine; Manila; Mindanao, Luzon, Marawi
Poland; Polish, Pole, Poles; Warsaw; Gdansk, Krakow
Portugal; Portuguese; Lisbon; Porto, Madeira, Azores
Puerto Rico; Puerto Rican, Puerto Ricans; San Juan
Qatar; Qatari, Qataris; Doha; Al Jazeera
Romania; Romanian, Romanians; Bucharest
Russia, Soviet Union, USSR; Russian, Russians, Soviet, Soviets; Moscow; Kremlin, Chechnya, Chechen, Siberia, St. \
Petersburg, Vladivostok, Gazprom, Wagner, FSB, GRU, Roscosmos, Kursk, Belgorod
Rwanda; Rwandan, Rwandans; Kigali; Tutsi, Hutu
Samoa; Samoan, Samoans; Apia
San Marino; Sammarinese
Saudi Arabia; Saudi, Saudis, Saudi Arabian; Riyadh; Jeddah, Mecca, Aramco
Senegal; Senegalese; Dakar
Serbia; Serbian, Serbians, Serb, Serbs; Belgrade
Seychelles; Seychellois
Sierra Leone; Sierra Leonean; Freetown
Singapore; Singaporean, Singaporeans
Slovakia; Slovak, Slovaks, Slovakian; Bratislava
Slovenia; Slovenian, Slovenians, Slovene; Ljubljana
Solomon Islands; Solomon Islander; Honiara
Somalia; Somali, Somalis; Mogadishu; Shabaab, Shabab, Puntland
Somaliland; Somalilander; Hargeisa
South Africa; South African, South Africans; Pretoria; Johannesburg, Cape Town, ANC, Durban, Soweto
South Korea; South Korean, South Koreans; Seoul; Korea, Korean, Koreans, Busan, Samsung, Pyeongchang
South Sudan; South Sudanese; Juba
Spain; Spanish, Spaniard, Spaniards; Madrid; Barcelona, Catalonia, Catalan, Valencia, Seville, Basque, Canary \
Islands
Sri Lanka; Sri Lankan, Sri Lankans; Colombo; Tamil
Sudan; Sudanese; Khartoum; Darfur
Suriname; Surinamese; Paramaribo
Sweden; Swedish, Swede, Swedes; Stockholm; Malmo, Gothenburg
Switzerland; Swiss; ; Bern, Geneva, Zurich, Davos, Basel
Syria; Syrian, Syrians; Damascus; Aleppo, Idlib, Homs, Raqqa, Afrin, Douma, Ghouta, Deir, Hama, Latakia, Daraa, \
Palmyra, Kobani, Golan
Taiwan; Taiwanese; Taipei
Tajikistan; Tajik, Tajiks; Dushanbe
Tanzania; Tanzanian, Tanzanians; Dodoma; Dar es Salaam, Zanzibar
Thailand; Thai, Thais; Bangkok; Phuket
Tibet; Tibetan, Tibetans; Lhasa; Dalai Lama
Togo; Togolese; Lome
Tonga; Tongan, Tongans
Trinidad and Tobago, Trinidad; Trinidadian; Port of Spain
Tunisia; Tunisian, Tunisians; Tunis; Sousse
Turkey, Türkiye, Turkiye; Turkish, Turk, Turks; Ankara; Istanbul, Gaziantep, Hatay, Izmir
Turkmenistan; Turkmen; Ashgabat
Tuvalu; Tuvaluan; Funafuti
Uganda; Ugandan, Ugandans; Kampala
Ukraine; Ukrainian, Ukrainians; Kyiv, Kiev; Kharkiv, Mariupol, Odesa, Odessa, Donbas, Donbass, Donetsk, Luhansk, \
Kherson, Lviv, Zaporizhzhia, Crimea, Crimean, Bakhmut, Dnipro, Avdiivka
United Arab Emirates, UAE; Emirati, Emiratis; Abu Dhabi; Dubai, Emirates
United States, US, USA, America; American, Americans; ; Washington, Pentagon, White House, Congress, Senate, \
Capitol, FBI, CIA, Republican, Republicans, Democrat, Democrats, Democratic, GOP, Reagan, New York, New Yorker, Wall \
Street, State Department, Federal Reserve, Fed, Supreme Court, Alabama, Alaska, Arizona, Arkansas, California, \
Colorado, Connecticut, Delaware, Florida, Georgia, Hawaii, Idaho, Illinois, Indiana, Iowa, Kansas, Kentucky, \
Louisiana, Maine, Maryland, Massachusetts, Michigan, Minnesota, Mississippi, Missouri, Montana, Nebraska, Nevada, \
New Hampshire, New Jersey, New Mexico, North Carolina, North Dakota, Ohio, Oklahoma, Oregon, Pennsylvania, Rhode \
Island, South Carolina, South Dakota, Tennessee, Texas, Utah, Vermont, Virginia, Wisconsin, Wyoming, Chicago, Los \
Angeles, Boston, Houston, Dallas, Miami, Seattle, Philadelphia, San Francisco, Las Vegas, Puerto Rico, NASA, \
Homeland Security, African American, Native American, Nasdaq, Guantanamo, Manhattan, Dow
Uruguay; Uruguayan, Uruguayans; Montevideo
Uzbekistan; Uzbek, Uzbeks; Tashkent
Vanuatu; Vanuatuan; Port Vila
Vatican; ; ; Pope, Holy See, Rome
Venezuela; Venezuelan, Venezuelans; Caracas; Maduro, PDVSA
Vietnam; Vietnamese; Hanoi; Saigon, Ho Chi Minh
Yemen; Yemeni, Yemenis; Sanaa; Houthi, Houthis, Aden, Hodeidah, Saada, Taiz, Sana'a
Zambia; Zambian, Zambians; Lusaka
Zimbabwe; Zimbabwean, Zimbabweans; Harare; Mugabe
"""

# What hides a nation's name in it and is not that nation.
_NO_NATION = (
    "Islamic State in Iraq and Syria, Islamic State of Iraq and Syria, "
    "New England, New Mexico, New Britain, New Orleans, South America, South American, Latin America, Latin "
    "American, Central America, Central American, North America, North American, Gulf of Mexico, Indian Ocean, "
    "South China Sea, East China Sea, Sea of Japan, Persian Gulf, Gulf of Oman, Bank of America, Swiss Re, Panama "
    "Papers, Paris Agreement, Paris Accord, Vienna Convention, Geneva Convention, English Channel, Irish Sea, Irish "
    "Republican Army, Guinea Pig, Guinea Pigs, American Indian, American Indians, Lake Malawi, Paris Climate "
    "Accord, Paris Climate Agreement, Indian Wells"
)

# One is in the news where the other is, or a part of it: neither counts against the other.
_KIN = (
    "China, Hong Kong, Taiwan, Tibet",
    "Denmark, Greenland",
    "Palestine, Gaza",
    "Ukraine, Crimea",
    "Russia, Crimea",
    "Spain, Catalonia",
    "United States, Puerto Rico",
    "Serbia, Kosovo",
    "Somalia, Somaliland",
    "France, New Caledonia",
    "Italy, Vatican",
    (
        "European Union, Austria, Belgium, Britain, Bulgaria, Croatia, Cyprus, Czech Republic, Denmark, Estonia, "
        "Finland, France, Germany, Greece, Hungary, Ireland, Italy, Latvia, Lithuania, Luxembourg, Malta, Netherlands, "
        "Poland, Portugal, Romania, Slovakia, Slovenia, Spain, Sweden"
    ),
)

# Also a first name, a state of America, a part of several names: no more than a hint.
_AMBIGUOUS = frozenset("Georgia Georgians Jordan Chad Dominica Grenada Finn Dane Pole Turk Swede".split())
# Ordinary words in small letters.
_WORDS = frozenset(
    "turkey china chile polish pole poles turks swede swedes finns swiss jordan chad georgia guinea congress senate "
    "capitol democratic dow fed rio amazon java kiwi euro nice cologne perth everest wagner crete hama male cali deir "
    "manchester pentagon maine bonn tory pope".split()
)
_WITH_THE = frozenset(
    "Bahamas,Central African Republic,Czech Republic,Dominican Republic,European Union,Maldives,Marshall Islands,"
    "Netherlands,Philippines,Solomon Islands,United Arab Emirates,United States,Vatican".split(",")
)
_INITIALS = frozenset({"UK", "USA", "UAE", "USSR"})  # in small letters still nothing else
_DOTTED = 4  # letters of initials that are written with dots

Kind = Literal["name", "adjective", "capital", "hint"]
TOKEN = re.compile(r"\w+(?:(?:\.[A-Z]\b)+\.?)?")  # "U.S." is one word
tokens = by_run(TOKEN, str.isalnum)


@dataclass(frozen=True, slots=True)
class Form:
    """One way to say a nation: ``nations`` that it names, ``hints`` that it may also speak of."""

    words: tuple[str, ...]
    nations: tuple[str, ...]
    hints: tuple[str, ...]
    kind: Kind


def undotted(word: str) -> str:
    return word.replace(".", "")


def shown(nation: str) -> str:
    """Behind "of" and "not"."""
    return f"the {nation}" if nation in _WITH_THE else nation


def akin(nation: str) -> frozenset[str]:
    """Nations that do not count against it."""
    return _kin().get(nation, frozenset())


# -- the table, read when it is first needed


@cache
def forms() -> dict[str, tuple[Form, ...]]:
    """By the first word in small letters, longest first."""
    named: dict[tuple[str, ...], tuple[Kind, list[str]]] = {}
    hinted: dict[tuple[str, ...], list[str]] = {}
    for line in _TABLE.strip().splitlines():
        fields = [[form.strip() for form in part.split(",") if form.strip()] for part in line.split(";")]
        nation = fields[0][0]
        kinds: tuple[Kind, ...] = ("name", "adjective", "capital", "hint")
        for kind, field in zip(kinds, fields, strict=False):
            for written in field:
                words = tuple(TOKEN.findall(written))
                if kind == "hint" or written in _AMBIGUOUS:
                    hinted.setdefault(words, []).append(nation)
                else:
                    named.setdefault(words, (kind, []))[1].append(nation)
    every = [
        Form(
            words,
            tuple(named[words][1]) if words in named else (),
            tuple(hinted.get(words, ())),
            named[words][0] if words in named else "hint",
        )
        for words in {**named, **hinted}
    ]
    every.extend(Form(tuple(TOKEN.findall(phrase)), (), (), "hint") for phrase in _NO_NATION.split(", "))
    by_first: dict[str, list[Form]] = {}
    for form in sorted(every, key=lambda form: -len(form.words)):
        for first in _dotted(form.words[0].lower()):
            by_first.setdefault(first, []).append(form)
    return {first: tuple(forms) for first, forms in by_first.items()}


def _dotted(word: str) -> tuple[str, ...]:
    """ "us" is looked up as "u.s" and as "u.s.", too."""
    return (word, ".".join(word), f"{'.'.join(word)}.") if 1 < len(word) <= _DOTTED else (word,)


@cache
def case_matters() -> frozenset[str]:
    """Words of forms that are something else in small letters."""
    words = {word for those in forms().values() for form in those for word in form.words}
    return frozenset(word for word in words if word.lower() in _WORDS or (word.isupper() and word not in _INITIALS))


@cache
def _kin() -> dict[str, frozenset[str]]:
    kin: dict[str, set[str]] = {}
    for line in _KIN:
        first, *others = line.split(", ")
        for other in others:
            kin.setdefault(first, set()).add(other)
            kin.setdefault(other, set()).add(first)
    return {nation: frozenset(others) for nation, others in kin.items()}
