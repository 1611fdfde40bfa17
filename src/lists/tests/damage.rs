//! Compiled lists are damaged while they are asked.

use std::{fs::OpenOptions, os::unix::fs::FileExt as _};

use blocker::{GroupSet, Name, Question};

use super::*;

/// A store in this directory, with one list of its own.
fn store_in(data: &Path, lines: &[String]) -> (Arc<ListStore>, Arc<Config>) {
    let text =
        format!("data_dir = '{}'\n[[lists]]\nname = 'own'\ninline = {lines:?}\n", data.display());
    let config = Arc::new(Config::parse(&text, &Environment::default()).unwrap());
    let (upstream, _) = Upstream::new(&config, Cache::new(0)).unwrap();
    (Arc::new(ListStore::new(&config, upstream)), config)
}

fn is_blocked(lists: &Lists, name: &str) -> bool {
    let name = Name::parse(name).unwrap();
    lists.matcher.verdict(&Question::new(&name, GroupSet::ALL)).is_block()
}

/// Overwrites the greater part of every compiled form, in place.
fn damage_all(data: &Path) {
    for file in std::fs::read_dir(data.join("compiled")).unwrap() {
        let path = file.unwrap().path();
        let length = std::fs::metadata(&path).unwrap().len();
        if length > 1000 {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            let zeroes = vec![0; usize::try_from(length * 7 / 10).unwrap()];
            file.write_all_at(&zeroes, length / 10).unwrap();
        }
    }
}

#[tokio::test]
async fn a_form_that_is_damaged_while_it_is_asked_blocks_nobody_and_is_made_again() {
    let data = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..3_000).map(|number| format!("||n{number}.example^")).collect();
    let (store, config) = store_in(data.path(), &lines);
    let lists = store.load(&config, Reading::All).await.unwrap();
    let names = || (0..3_000).map(|number| format!("n{number}.example"));
    assert!(names().all(|name| is_blocked(&lists, &name)));
    assert!(!store.distrusts(&lists.matcher));

    damage_all(data.path());

    let left = names().filter(|name| is_blocked(&lists, name)).count();
    assert!(left < 1_500, "{left} of 3000 are left");
    assert!((3_000..6_000).all(|number| !is_blocked(&lists, &format!("n{number}.example"))));
    assert!(store.distrusts(&lists.matcher));
    let again = store.load(&config, Reading::AtRest).await.unwrap();
    assert!(names().all(|name| is_blocked(&again, &name)));
    assert!(!store.distrusts(&again.matcher));
    // And the next run trusts what was written then.
    let (next_run, config) = store_in(data.path(), &lines);
    let lists = next_run.load(&config, Reading::All).await.unwrap();
    assert!(names().all(|name| is_blocked(&lists, &name)));
    assert!(!next_run.distrusts(&lists.matcher));
}
