"""What is in a folder of runs, from the files in it: quick, while they run, and where they were cut off."""
