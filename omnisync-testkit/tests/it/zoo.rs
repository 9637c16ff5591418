use omnisync_testkit::zoo;
use std::time::Instant;
#[test]
fn table() {
    for s in zoo::specimens() {
        if let Ok(only) = std::env::var("ONLY") {
            if !s.name().contains(&only) {
                continue;
            }
        }
        let t = Instant::now();
        let h = s.hunt(20_000);
        println!(
            "{:36} {:>6} {:>8.3}s {}",
            s.name(),
            h.runs,
            t.elapsed().as_secs_f64(),
            h.caught.map_or("-".into(), |c| format!(
                "{} {} {} {}",
                c.explorer, c.scenario, c.invariant, c.detail
            ))
        );
    }
}
#[test]
fn sound() {
    for s in zoo::sound() {
        if let Ok(only) = std::env::var("ONLY") {
            if !s.name().contains(&only) {
                continue;
            }
        }
        let t = Instant::now();
        let h = s.hunt(4_000);
        println!(
            "{:36} {:>6} {:>8.3}s {}",
            s.name(),
            h.runs,
            t.elapsed().as_secs_f64(),
            h.caught.map_or("-".into(), |c| format!(
                "{} {} {} {}",
                c.explorer, c.scenario, c.invariant, c.detail
            ))
        );
    }
}
#[test]
fn story() {
    use omnisync_testkit::sim::Explorer;
    let only = std::env::var("ONLY").unwrap();
    for s in zoo::specimens().into_iter().chain(zoo::sound()) {
        if s.name() != only {
            continue;
        }
        for sc in s.scenarios() {
            let n = std::env::var("N").unwrap().parse().unwrap();
            match Explorer::new(sc).seeds(0, n) {
                Err(r) => println!("{r}"),
                Ok(r) => println!("{r:?}"),
            }
        }
    }
}
