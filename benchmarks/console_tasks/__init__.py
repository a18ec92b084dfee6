"""What tasks cost in the console, in clicks and seconds, beside ivoryOS."""
