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
        let h = s.hunt(std::env::var("N").map_or(20_000, |n| n.parse().unwrap()));
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

#[test]
fn rates() {
    use omnisync_testkit::sim::{Explorer, Scenario};
    let only = std::env::var("ONLY").unwrap();
    let n = std::env::var("N").unwrap().parse().unwrap();
    for s in zoo::specimens().into_iter().chain(zoo::sound()) {
        if s.name() != only { continue }
        for sc in s.scenarios() {
            let t = Instant::now();
            let r = Explorer::new(sc).rate(0, n);
            println!("{} {} {:?} {:?} {}", sc.name(), r.failing, r.by_invariant, t.elapsed(), r.report.marks.contains("takeover"));
        }
    }
}

#[test]
fn published() {
    let n = std::env::var("N").unwrap().parse().unwrap();
    let t = Instant::now();
    println!("{:?} {:?}", zoo::published_rate(n), t.elapsed());
}
