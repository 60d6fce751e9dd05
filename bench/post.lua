-- wrk posts the form that the environment holds.
wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")
