"""The oracle in the annotators' place: experiments through the service or in process."""
