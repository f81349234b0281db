"""Values that are not there yet, as an application makes them and as the scheduler watches over them."""
