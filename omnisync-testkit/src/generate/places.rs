#[derive(Debug)]
pub(super) struct Country {
    /// ISO 3166-1 alpha-2.
    pub(super) code: &'static str,
    pub(super) currency: &'static str,
    pub(super) minor_digits: u32,
    /// What one unit of a strong currency is worth here, roughly.
    pub(super) price_level: u32,
    pub(super) recipients: &'static [&'static str],
    /// `#` stands for the house number.
    pub(super) streets: &'static [&'static str],
    pub(super) places: &'static [Place],
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) city: &'static str,
    pub(super) state: Option<&'static str>,
    /// Postal code: `#` is a digit, `+` a digit above zero, `@` a letter.
    pub(super) zip: Option<&'static str>,
}

impl Country {
    pub(super) const FALLBACK: Self = Self {
        code: "US",
        currency: "USD",
        minor_digits: 2,
        price_level: 1,
        recipients: &[],
        streets: &[],
        places: &[],
    };
}

impl Place {
    pub(super) const FALLBACK: Self = Self::new("Seattle", Some("WA"), Some("981##"));

    const fn new(
        city: &'static str,
        state: Option<&'static str>,
        zip: Option<&'static str>,
    ) -> Self {
        Self { city, state, zip }
    }
}

pub(super) const COUNTRIES: &[Country] = &[
    Country {
        code: "US",
        currency: "USD",
        minor_digits: 2,
        price_level: 1,
        recipients: &[
            "Contoso Retail Inc.",
            "Maria Hernandez",
            "James O'Neill",
            "Priya Patel",
        ],
        streets: &["# Main St", "# 5th Ave", "# Sunset Blvd Apt 4"],
        places: &[
            Place::new("Seattle", Some("WA"), Some("981##")),
            Place::new("Austin", Some("TX"), Some("787##")),
            Place::new("New York", Some("NY"), Some("100##")),
        ],
    },
    Country {
        code: "CA",
        currency: "CAD",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Maple Outfitters Ltd.", "Chloé Tremblay", "Liam MacDonald"],
        streets: &["# Rue Sainte-Catherine", "# King St W", "# Granville St"],
        places: &[
            Place::new("Montréal", Some("QC"), Some("H3B +@+")),
            Place::new("Toronto", Some("ON"), Some("M5V +@+")),
            Place::new("Vancouver", Some("BC"), Some("V6B +@+")),
        ],
    },
    Country {
        code: "GB",
        currency: "GBP",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Northwind Traders Ltd", "Oliver Smith", "Siân Llewellyn"],
        streets: &["# High Street", "# Baker Street", "Flat 2, # Queen's Road"],
        places: &[
            Place::new("London", None, Some("EC1A +@@")),
            Place::new("Manchester", None, Some("M1 +@@")),
            Place::new("Cardiff", None, Some("CF10 +@@")),
        ],
    },
    Country {
        code: "IE",
        currency: "EUR",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Aoife Ní Bhriain", "Emerald Supplies DAC", "Seán Murphy"],
        streets: &["# Grafton Street", "# Patrick Street", "# Eyre Square"],
        places: &[
            Place::new("Dublin", None, Some("D02 @###")),
            Place::new("Cork", None, Some("T12 @###")),
            Place::new("Galway", None, Some("H91 @###")),
        ],
    },
    Country {
        code: "DE",
        currency: "EUR",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Müller & Söhne GmbH", "Jürgen Weiß", "Anna-Lena Groß"],
        streets: &["Hauptstraße #", "Bahnhofstr. #a", "Königsallee #"],
        places: &[
            Place::new("Berlin", None, Some("101##")),
            Place::new("München", None, Some("803##")),
            Place::new("Leipzig", None, Some("041##")),
        ],
    },
    Country {
        code: "CH",
        currency: "CHF",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Bergsport Zürich AG", "Léa Favre", "Marco Bernasconi"],
        streets: &["Bahnhofstrasse #", "Rue du Rhône #", "Via Nassa #"],
        places: &[
            Place::new("Zürich", Some("ZH"), Some("800#")),
            Place::new("Genève", Some("GE"), Some("120#")),
            Place::new("Lugano", Some("TI"), Some("690#")),
        ],
    },
    Country {
        code: "FR",
        currency: "EUR",
        minor_digits: 2,
        price_level: 1,
        recipients: &[
            "Société Générale d'Équipement",
            "Zoé Lefèvre",
            "François Dubois",
        ],
        streets: &[
            "# rue de l'Église",
            "# bis avenue Foch",
            "# boulevard Voltaire",
        ],
        places: &[
            Place::new("Paris", None, Some("750##")),
            Place::new("Lyon", None, Some("6900+")),
            Place::new("Strasbourg", None, Some("670##")),
        ],
    },
    Country {
        code: "ES",
        currency: "EUR",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Montaña y Mar S.L.", "José Núñez", "Begoña Ibáñez"],
        streets: &[
            "Calle de Alcalá, #",
            "Av. Diagonal, #, 3º 2ª",
            "Gran Vía, #",
        ],
        places: &[
            Place::new("Madrid", Some("Madrid"), Some("280##")),
            Place::new("Barcelona", Some("Barcelona"), Some("080##")),
            Place::new("A Coruña", Some("A Coruña"), Some("150##")),
        ],
    },
    Country {
        code: "IT",
        currency: "EUR",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Sportiva S.r.l.", "Niccolò D'Angelo", "Giulia Rossi"],
        streets: &["Via Roma, #", "Corso Italia, #/B", "Piazza Duomo, #"],
        places: &[
            Place::new("Milano", Some("MI"), Some("201##")),
            Place::new("Roma", Some("RM"), Some("001##")),
            Place::new("Forlì", Some("FC"), Some("471##")),
        ],
    },
    Country {
        code: "NL",
        currency: "EUR",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Van der Berg B.V.", "Daniël de Vries", "IJsbrand Bakker"],
        streets: &["Keizersgracht #", "Dorpsstraat # A", "Coolsingel #"],
        places: &[
            Place::new("Amsterdam", None, Some("10## @@")),
            Place::new("Rotterdam", None, Some("30## @@")),
            Place::new("'s-Hertogenbosch", None, Some("52## @@")),
        ],
    },
    Country {
        code: "PL",
        currency: "PLN",
        minor_digits: 2,
        price_level: 4,
        recipients: &["Góry Sp. z o.o.", "Łukasz Wójcik", "Małgorzata Kowalska"],
        streets: &["ul. Piotrkowska #", "al. Jerozolimskie #/12", "ul. Długa #"],
        places: &[
            Place::new("Warszawa", None, Some("00-###")),
            Place::new("Łódź", None, Some("90-###")),
            Place::new("Kraków", None, Some("31-###")),
        ],
    },
    Country {
        code: "SE",
        currency: "SEK",
        minor_digits: 2,
        price_level: 10,
        recipients: &["Fjäll & Sjö AB", "Åsa Öberg", "Björn Lindström"],
        streets: &["Drottninggatan #", "Storgatan # A", "Kungsgatan #"],
        places: &[
            Place::new("Stockholm", None, Some("111 ##")),
            Place::new("Göteborg", None, Some("411 ##")),
            Place::new("Malmö", None, Some("211 ##")),
        ],
    },
    Country {
        code: "CZ",
        currency: "CZK",
        minor_digits: 2,
        price_level: 20,
        recipients: &["Hory s.r.o.", "Jiří Dvořák", "Žofie Černá"],
        streets: &["Václavské náměstí #", "Dlouhá #/5", "Masarykova #"],
        places: &[
            Place::new("Praha", None, Some("110 0+")),
            Place::new("Brno", None, Some("602 0+")),
            Place::new("Plzeň", None, Some("301 0+")),
        ],
    },
    Country {
        code: "PT",
        currency: "EUR",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Serra e Mar, Lda.", "João Conceição", "Inês Araújo"],
        streets: &[
            "Rua Augusta, #",
            "Av. da Liberdade, #, 4.º Esq.",
            "Rua das Flores, #",
        ],
        places: &[
            Place::new("Lisboa", None, Some("11##-###")),
            Place::new("Porto", None, Some("40##-###")),
            Place::new("Évora", None, Some("70##-###")),
        ],
    },
    Country {
        code: "BR",
        currency: "BRL",
        minor_digits: 2,
        price_level: 5,
        recipients: &["Trilha Ltda.", "Antônio Gonçalves", "Luísa Magalhães"],
        streets: &[
            "Av. Paulista, #",
            "Rua XV de Novembro, #",
            "Rua das Laranjeiras, # - apto 31",
        ],
        places: &[
            Place::new("São Paulo", Some("SP"), Some("01###-###")),
            Place::new("Rio de Janeiro", Some("RJ"), Some("20###-###")),
            Place::new("Brasília", Some("DF"), Some("70###-###")),
        ],
    },
    Country {
        code: "MX",
        currency: "MXN",
        minor_digits: 2,
        price_level: 18,
        recipients: &["Sierra Madre S.A. de C.V.", "Ángel Muñoz", "Ximena Peña"],
        streets: &[
            "Av. Insurgentes Sur #",
            "Calle 5 de Mayo #",
            "Paseo de la Reforma # Int. 8",
        ],
        places: &[
            Place::new("Ciudad de México", Some("CDMX"), Some("06###")),
            Place::new("Guadalajara", Some("JAL"), Some("44###")),
            Place::new("Mérida", Some("YUC"), Some("97###")),
        ],
    },
    Country {
        code: "JP",
        currency: "JPY",
        minor_digits: 0,
        price_level: 100,
        recipients: &["株式会社コントソ", "山田 太郎", "Tanaka Yuki"],
        streets: &["千代田1丁目#番", "Dogenzaka 2-#-1", "本町#-5"],
        places: &[
            Place::new("東京", Some("東京都"), Some("100-00##")),
            Place::new("Osaka", Some("Osaka"), Some("530-00##")),
            Place::new("札幌市", Some("北海道"), Some("060-00##")),
        ],
    },
    Country {
        code: "KR",
        currency: "KRW",
        minor_digits: 0,
        price_level: 1000,
        recipients: &["주식회사 한빛", "김민수", "Lee Seo-yeon"],
        streets: &["세종대로 #", "Teheran-ro #", "중앙로 #번길 7"],
        places: &[
            Place::new("서울", None, Some("04###")),
            Place::new("Busan", None, Some("48###")),
            Place::new("대구", None, Some("41###")),
        ],
    },
    Country {
        code: "KW",
        currency: "KWD",
        minor_digits: 3,
        price_level: 1,
        recipients: &["Gulf Adventure W.L.L.", "محمد العتيبي", "Fatima Al-Sabah"],
        streets: &[
            "Block 3, Street #",
            "Al Khaleej Al Arabi St #",
            "شارع # قطعة 2",
        ],
        places: &[
            Place::new("Kuwait City", None, Some("13###")),
            Place::new("Salmiya", None, Some("22###")),
            Place::new("حولي", None, Some("32###")),
        ],
    },
    Country {
        code: "IN",
        currency: "INR",
        minor_digits: 2,
        price_level: 80,
        recipients: &[
            "Himalaya Traders Pvt. Ltd.",
            "आरव शर्मा",
            "Lakshmi Narayanan",
        ],
        streets: &[
            "#, M.G. Road",
            "Flat 301, # Park Street",
            "# Connaught Place",
        ],
        places: &[
            Place::new("Bengaluru", Some("KA"), Some("5600##")),
            Place::new("Kolkata", Some("WB"), Some("7000##")),
            Place::new("मुंबई", Some("MH"), Some("4000##")),
        ],
    },
    Country {
        code: "AU",
        currency: "AUD",
        minor_digits: 2,
        price_level: 1,
        recipients: &["Outback Gear Pty Ltd", "Charlotte Nguyen", "Jack Williams"],
        streets: &[
            "# George Street",
            "Unit 5/# Collins Street",
            "# Queen Street",
        ],
        places: &[
            Place::new("Sydney", Some("NSW"), Some("20##")),
            Place::new("Melbourne", Some("VIC"), Some("30##")),
            Place::new("Darwin", Some("NT"), Some("080#")),
        ],
    },
    Country {
        code: "CL",
        currency: "CLP",
        minor_digits: 0,
        price_level: 900,
        recipients: &["Andes SpA", "Matías Núñez", "Ñusta Quispe"],
        streets: &[
            "Av. Providencia #",
            "Calle Huérfanos # Of. 22",
            "Av. Brasil #",
        ],
        places: &[
            Place::new("Santiago", Some("RM"), Some("75#####")),
            Place::new("Valparaíso", Some("VS"), Some("23#####")),
            Place::new("Ñuñoa", Some("RM"), Some("77#####")),
        ],
    },
    Country {
        code: "HK",
        currency: "HKD",
        minor_digits: 2,
        price_level: 8,
        recipients: &["Peak Trading Co. Ltd.", "陳大文", "Wong Ka Yan"],
        streets: &[
            "#/F, # Queen's Road Central",
            "Shop #, Nathan Road",
            "彌敦道#號",
        ],
        places: &[
            Place::new("Central", None, None),
            Place::new("Kowloon", None, None),
            Place::new("沙田", None, None),
        ],
    },
];
