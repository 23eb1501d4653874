"""The studio in a browser. One file, as files are what workers share out: one browser and one pair of services for all."""

import pytest

pytest.register_assert_rewrite(*(f"tests.e2e.studio.{name}" for name in ("access", "camera", "hostile", "story")))

from tests.e2e.studio.access import *  # noqa: E402, F403
from tests.e2e.studio.camera import *  # noqa: E402, F403
from tests.e2e.studio.hostile import *  # noqa: E402, F403
from tests.e2e.studio.story import *  # noqa: E402, F403
