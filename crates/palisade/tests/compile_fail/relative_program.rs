pub fn run() {
    let _ = palisade::program!("pg_dump");
}
