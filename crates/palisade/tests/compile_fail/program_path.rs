pub fn run(path: &'static str) {
    let _ = palisade::program!(path);
}
