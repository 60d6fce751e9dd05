palisade::pattern!(Wrong, 10, r"(a", "Enter an a.");
