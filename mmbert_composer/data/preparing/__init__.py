"""The job behind ``mmbert prepare``: plan, route, pack, finish, and the engines that run its tasks."""
