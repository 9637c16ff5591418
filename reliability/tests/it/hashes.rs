use super::{program, text};

#[test]
fn every_scenario_has_a_hash_for_each_seed_and_they_stay_the_same() {
    let output = program(&["hashes", "--seeds", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let hashes = text(&output.stdout);
    assert!(hashes.contains("\npair 0 "), "{hashes}");
    assert!(hashes.contains("\nswarm 1 "), "{hashes}");
    for line in hashes.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, seed, hash] = words[..] else {
            panic!("{line}");
        };
        assert!(["0", "1"].contains(&seed), "{line}");
        assert!(
            hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()),
            "{line}"
        );
    }
    assert_eq!(text(&program(&["hashes", "--seeds", "2"]).stdout), hashes);
}
