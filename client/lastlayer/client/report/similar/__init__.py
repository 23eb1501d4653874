"""A page of images like one."""
