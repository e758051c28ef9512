"""Rating as one definition in restricted SQL, and the engines that run it."""
