"""What is wrong with a host: findings over a picture of it, each with the commands that mend it. Pure."""

from netctl.doctor.exam import CHECKS, examine
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Picture
from netctl.doctor.wishes import Wishes, wishes

__all__ = ["CHECKS", "Finding", "Picture", "Wishes", "examine", "wishes"]
