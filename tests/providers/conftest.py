"""How the generated tests of this folder run: as long as the machine needs."""

import hypothesis

# A slow machine is not a bug; no test here asserts a time.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")
