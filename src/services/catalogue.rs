//! The files of this directory go in, the services of the same names come out. Kept apart because
//! it grows by a line with each service, and by nothing else.

use super::{SAFE_SEARCH, Service};

/// A service for each file.
macro_rules! catalogue {
    ($($name:literal,)*) => {
        &[$(Service { name: $name, rules: include_str!(concat!($name, ".txt")) },)*]
    };
}

/// Several files as one list, behind a title of its own.
macro_rules! joined {
    ($title:literal: $($name:literal,)*) => {
        concat!($title, $(include_str!(concat!($name, ".txt"))),*)
    };
}

/// The services that have a file, by name.
pub(super) const CATALOGUE: &[Service] = catalogue![
    "4chan",
    "9gag",
    "aliexpress",
    "battle-net",
    "bilibili",
    "bluesky",
    "crunchyroll",
    "dailymotion",
    "deezer",
    "discord",
    "disney-plus",
    "ea",
    "epic-games",
    "facebook",
    "fortnite",
    "gog",
    "hbo-max",
    "hoyoverse",
    "hulu",
    "imgur",
    "instagram",
    "kick",
    "line",
    "linkedin",
    "minecraft",
    "netflix",
    "nintendo",
    "odnoklassniki",
    "onlyfans",
    "pinterest",
    "playstation",
    "prime-video",
    "quora",
    "reddit",
    "riot-games",
    "roblox",
    "rockstar-games",
    "rumble",
    "safe-search-bing",
    "safe-search-brave",
    "safe-search-duckduckgo",
    "safe-search-ecosia",
    "safe-search-google",
    "safe-search-pixabay",
    "safe-search-yandex",
    "safe-search-youtube",
    "safe-search-youtube-moderate",
    "shein",
    "signal",
    "snapchat",
    "soundcloud",
    "spotify",
    "steam",
    "supercell",
    "telegram",
    "temu",
    "threads",
    "tidal",
    "tiktok",
    "tinder",
    "tumblr",
    "twitch",
    "twitter",
    "ubisoft",
    "viber",
    "vimeo",
    "vk",
    "wechat",
    "whatsapp",
    "xbox",
    "youtube",
];

/// Every safe search at once, each as strict as it can be.
pub(super) const ALL_SEARCHES: Service = Service {
    name: SAFE_SEARCH,
    rules: joined![
        "# All safe searches, each as strict as it can be.\n":
        "safe-search-google",
        "safe-search-bing",
        "safe-search-duckduckgo",
        "safe-search-youtube",
        "safe-search-brave",
        "safe-search-ecosia",
        "safe-search-pixabay",
        "safe-search-yandex",
    ],
};
