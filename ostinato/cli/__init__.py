"""The command line: `ostinato`, generated from the settings of the tasks."""
